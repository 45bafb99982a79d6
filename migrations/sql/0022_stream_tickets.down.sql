DROP TABLE crm.stream_tickets;
