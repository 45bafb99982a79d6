// Rebuild the flat table with Emmett: `node rebuild.mjs DATABASE_URL BATCH_EVENTS TYPES`. Print the seconds as JSON.
// Emmett 0.42 gives a projection one event at a time, and stores a checkpoint after each; a batch is one transaction.
import { rawSql, sql } from "@event-driven-io/dumbo";
import { postgreSQLProjection, rebuildPostgreSQLProjections } from "@event-driven-io/emmett-postgresql";

const INSERT =
  "INSERT INTO flat_events (id, org_id, property_id, entity_id, type, content, occurred_at) VALUES (%L, %L, %L, %L, %L, %L, %L)";

const insert = ({ type, data, metadata: { id, org_id, property_id, streamName, occurred_at } }) =>
  sql(INSERT, id, org_id, property_id, streamName.slice(-36), type, data.content ?? null, occurred_at);

const [connectionString, batchSize, types] = process.argv.slice(2);
const projection = postgreSQLProjection({
  name: "flat_events",
  canHandle: types.split(","),
  handle: (events, { execute }) => execute.batchCommand(events.map(insert)),
  truncate: ({ execute }) => execute.command(rawSql("TRUNCATE flat_events")),
});
const consumer = rebuildPostgreSQLProjections({
  connectionString,
  projections: [projection],
  pulling: { batchSize: Number(batchSize), pullingFrequencyInMs: 0 },
});
const started = performance.now();
await consumer.start();
const seconds = (performance.now() - started) / 1000;
await consumer.close();
console.log(JSON.stringify({ seconds }));
