REVOKE DELETE ON crm.payload_reads FROM service_role;
DROP TRIGGER payload_reads_kept_a_year ON crm.payload_reads;
DROP FUNCTION crm.refuse_deletion_of_new_reads();
DROP TRIGGER payload_reads_never_changed ON crm.payload_reads;
CREATE TRIGGER payload_reads_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE
  ON crm.payload_reads FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_change_of_reads();
ALTER TABLE crm.payload_reads ENABLE ALWAYS TRIGGER payload_reads_never_changed;
