DROP TABLE lead_consents;
