DROP TABLE crm.client_ids;
