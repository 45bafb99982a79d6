DROP TRIGGER crm_announce_access ON crm_state.widget_keys;
DROP TRIGGER crm_announce_access ON profiles;
DROP FUNCTION crm.announce_access();
