DROP TABLE crm.checkpoints, crm.parked, crm.projections;
