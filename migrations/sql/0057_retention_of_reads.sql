-- The accounts of reads expire. They stay evidence: no row is changed, and none of the last 365 days
-- is deleted, also not by the owner of the table.
DROP TRIGGER payload_reads_never_changed ON crm.payload_reads;
CREATE TRIGGER payload_reads_never_changed BEFORE UPDATE OR TRUNCATE
  ON crm.payload_reads FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_change_of_reads();
ALTER TABLE crm.payload_reads ENABLE ALWAYS TRIGGER payload_reads_never_changed;

CREATE FUNCTION crm.refuse_deletion_of_new_reads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM deleted WHERE read_at > clock_timestamp() - interval '365 days') THEN
    RAISE EXCEPTION 'crm.payload_reads keeps each row for 365 days: delete refused'
      USING HINT = 'The accounts of reads are evidence: keep them.', ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION crm.refuse_deletion_of_new_reads FROM PUBLIC;
CREATE TRIGGER payload_reads_kept_a_year AFTER DELETE ON crm.payload_reads
  REFERENCING OLD TABLE AS deleted
  FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_deletion_of_new_reads();
ALTER TABLE crm.payload_reads ENABLE ALWAYS TRIGGER payload_reads_kept_a_year;
GRANT DELETE ON crm.payload_reads TO service_role;
