DROP TABLE crm.live_runs;
