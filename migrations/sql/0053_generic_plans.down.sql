ALTER FUNCTION crm.append_plain RESET ALL;
ALTER FUNCTION crm.lock_for_append RESET ALL;
ALTER FUNCTION crm.lock_streams RESET ALL;
ALTER FUNCTION crm.count_request RESET ALL;
