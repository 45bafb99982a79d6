REVOKE DELETE ON crm.operator_requests FROM service_role;
DROP TABLE crm.pipeline_samples;
