DROP TABLE workflow_actions, lead_workflows, workflow_definitions, follow_up_templates,
  lumaleasing_config;
ALTER TABLE tours DROP COLUMN follow_up_sent_at;
DO $$
BEGIN
  IF obj_description(to_regprocedure('public.gen_random_bytes(integer)'), 'pg_proc')
     = 'stands in for pgcrypto''s' THEN
    DROP FUNCTION public.gen_random_bytes(integer);
  END IF;
END $$;
