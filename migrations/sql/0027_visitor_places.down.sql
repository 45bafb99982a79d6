DO $$
DECLARE
  copy record;
BEGIN
  FOR copy IN SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'lumaleasing_config' AND c.relkind = 'r'
  LOOP
    EXECUTE format(
      'ALTER TABLE %I.lumaleasing_config DROP COLUMN tour_holds_per_visitor, '
      'DROP COLUMN tour_holds_per_network, DROP COLUMN future_tours_per_contact, '
      'DROP COLUMN future_tours_per_network, DROP COLUMN tour_held_percent', copy.nspname);
  END LOOP;
END $$;
DROP TABLE crm.visitor_places;
