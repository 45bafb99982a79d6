DROP TABLE crm.phone_patterns;
