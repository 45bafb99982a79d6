DROP TABLE crm.contact_opt_outs;
