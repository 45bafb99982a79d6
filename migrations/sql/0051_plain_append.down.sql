DROP FUNCTION crm.append_plain, crm.count_request;
