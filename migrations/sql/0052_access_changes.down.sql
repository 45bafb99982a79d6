-- With CASCADE: the table that a rebuild has kept has the trigger too.
DROP FUNCTION crm.announce_access() CASCADE;
