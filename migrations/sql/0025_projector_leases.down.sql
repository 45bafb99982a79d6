DROP TABLE crm.projector_leases;
