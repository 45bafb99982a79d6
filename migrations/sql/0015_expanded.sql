-- What a record must hold is the payload as text, which writes every digit of 1e300; pg_column_size
-- sees it compressed. A broker takes 1 MiB: 16 KiB are left for what surrounds the payload. A
-- trigger, not a CHECK: rows that are there already are let be, also when they are numbered.
CREATE FUNCTION crm.refuse_giant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a payload of % bytes as text does not fit a record of the bus',
    octet_length(NEW.payload::text)
    USING HINT = 'An event has at most 1032192.', ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER crm_events_fits_a_record BEFORE INSERT ON crm_events
  FOR EACH ROW WHEN (octet_length(NEW.payload::text) > 1032192)
  EXECUTE FUNCTION crm.refuse_giant();
ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_fits_a_record;
