DROP TABLE crm.secret_keys;
