DROP INDEX crm.claims_unkeyed, crm.contact_opt_outs_unkeyed;
