DROP TABLE crm.timer_locks;
DROP TABLE crm.timers;
