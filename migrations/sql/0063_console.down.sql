DROP TABLE crm.operator_actions;
DROP FUNCTION crm.refuse_change_of_action();
DROP TABLE crm.console_links;
