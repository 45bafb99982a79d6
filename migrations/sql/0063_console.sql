-- The links of `crm console` that were used; only on a developer's machine.
CREATE TABLE crm.console_links (
  id uuid PRIMARY KEY,
  expires_at timestamptz NOT NULL
);
REVOKE ALL ON crm.console_links FROM PUBLIC, anon, authenticated;
GRANT SELECT, INSERT, DELETE ON crm.console_links TO service_role;

-- What operators did to the whole installation, and why. Actions on a property are events instead.
CREATE TABLE crm.operator_actions (
  id uuid PRIMARY KEY,
  acted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  operator_id uuid NOT NULL,
  action text NOT NULL CHECK (action ~ '^[a-z_]{1,60}$'),
  target jsonb NOT NULL,
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000)
);
CREATE INDEX operator_actions_newest ON crm.operator_actions (acted_at DESC);
REVOKE ALL ON crm.operator_actions FROM PUBLIC, anon, authenticated;
GRANT SELECT, INSERT ON crm.operator_actions TO service_role;

CREATE FUNCTION crm.refuse_change_of_action() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'crm.operator_actions is append-only: % refused', lower(TG_OP);
END $$;
CREATE TRIGGER operator_actions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON crm.operator_actions FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_change_of_action();
