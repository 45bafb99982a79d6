-- API processes remember for two seconds who a caller is. They forget it at this notification. It is
-- sent by statements that are rare: a notification in every commit would slow down all of them.
CREATE FUNCTION crm.announce_access() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('crm_access', '');
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION crm.announce_access FROM PUBLIC;

CREATE TRIGGER crm_announce_access AFTER UPDATE OF org_id, role OR DELETE ON profiles
  FOR EACH STATEMENT EXECUTE FUNCTION crm.announce_access();
CREATE TRIGGER crm_announce_access AFTER UPDATE OR DELETE ON crm_state.widget_keys
  FOR EACH STATEMENT EXECUTE FUNCTION crm.announce_access();
