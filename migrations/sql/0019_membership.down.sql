DROP TRIGGER crm_protect_membership ON profiles;
DROP FUNCTION crm.protect_membership();
