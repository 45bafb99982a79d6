// Append events in batches: `node append.mjs STORE DATABASE_URL FILE BATCH_EVENTS [CONNECTIONS]`. Print the seconds as JSON.
// Each line of the file is an event: {"stream": …, "type": …, "data": …}; "metadata" is optional.
import { readFileSync } from "node:fs";
import { PostgresEventStore } from "@dcb-es/event-store-postgres";
import { Tags } from "@dcb-es/event-store";
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import pg from "pg";

// One transaction for each stream of a batch, on several connections: the store has no append to several streams.
async function emmett(url, connections) {
  const store = getPostgreSQLEventStore(url, { connectionOptions: { pool: new pg.Pool({ connectionString: url, max: connections }) } });
  await store.schema.migrate();
  return {
    prepare(batch) {
      const streams = new Map();
      for (const { stream, type, data, metadata } of batch) {
        if (!streams.has(stream)) streams.set(stream, []);
        streams.get(stream).push({ type, data, metadata });
      }
      return [...streams];
    },
    async append(streams) {
      let next = 0;
      const client = async () => {
        while (next < streams.length) {
          const [stream, events] = streams[next++];
          await store.appendToStream(stream, events);
        }
      };
      await Promise.all(Array.from({ length: connections }, client));
    },
    close: () => store.close(),
  };
}

// One COPY for each batch.
async function dcb(url) {
  const pool = new pg.Pool({ connectionString: url });
  const store = new PostgresEventStore({ pool });
  await store.ensureInstalled();
  return {
    prepare: (batch) =>
      batch.map(({ stream, type, data }) => ({ type, data, metadata: {}, tags: Tags.fromObj({ stream }) })),
    append: (events) => store.append({ events }),
    close: () => pool.end(),
  };
}

const [name, url, file, size, connections = "16"] = process.argv.slice(2);
const store = await { emmett, dcb }[name](url, Number(connections));
const events = readFileSync(file, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
let seconds = 0;
for (let start = 0; start < events.length; start += Number(size)) {
  const prepared = store.prepare(events.slice(start, start + Number(size)));
  const started = performance.now();
  await store.append(prepared);
  seconds += (performance.now() - started) / 1000;
}
await store.close();
console.log(JSON.stringify({ events: events.length, seconds }));
