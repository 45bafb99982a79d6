-- Contents of rows that are no events are encrypted with a data key: records of producers, answers of
-- commands, details of failures. The first byte is 1 for a sealed content, 2 for an erased one and 0 for one from before.
CREATE FUNCTION crm.clear_record(key bytea, value bytea, headers jsonb, detail text) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
  SELECT '\x00'::bytea || convert_to(jsonb_build_object('key', octet_length(key),
    'value', octet_length(value), 'headers', headers, 'detail', detail)::text, 'UTF8')
    || '\x0a'::bytea || coalesce(key, '') || coalesce(value, '') $$;

ALTER TABLE crm.dead_letters ADD COLUMN content bytea;
UPDATE crm.dead_letters SET content = crm.clear_record(key, value, headers, detail);
ALTER TABLE crm.dead_letters ALTER COLUMN content SET NOT NULL, DROP COLUMN key, DROP COLUMN value, DROP COLUMN headers,
  DROP COLUMN detail;

ALTER TABLE crm.intake_waiting ADD COLUMN content bytea;
UPDATE crm.intake_waiting SET content = crm.clear_record(key, value, headers, '');
ALTER TABLE crm.intake_waiting ALTER COLUMN content SET NOT NULL, DROP COLUMN key, DROP COLUMN value, DROP COLUMN headers;
DROP FUNCTION crm.clear_record;

ALTER TABLE crm.commands ALTER COLUMN answer TYPE bytea
  USING '\x00'::bytea || convert_to(answer::text, 'UTF8');

ALTER TABLE crm.policy_failures ALTER COLUMN detail TYPE bytea
  USING '\x00'::bytea || convert_to(detail, 'UTF8');
