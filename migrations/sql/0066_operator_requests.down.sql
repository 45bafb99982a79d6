DROP TABLE crm.operator_requests;
