DROP FUNCTION crm_api.search_form;
DROP FUNCTION crm_api.search_form_unicode;
