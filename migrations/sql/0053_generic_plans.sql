-- The statements in these functions find few rows by an index. By default PostgreSQL plans some of
-- them again at each call, because it cannot know how long the arrays are: a quarter of the time of an
-- append. A plan of an empty table must not read the whole table when the table has grown.
ALTER FUNCTION crm.append_plain SET plan_cache_mode TO force_generic_plan;
ALTER FUNCTION crm.append_plain SET enable_seqscan TO off;
ALTER FUNCTION crm.append_plain SET jit TO off;
ALTER FUNCTION crm.lock_for_append SET plan_cache_mode TO force_generic_plan;
ALTER FUNCTION crm.lock_for_append SET enable_seqscan TO off;
ALTER FUNCTION crm.lock_for_append SET jit TO off;
ALTER FUNCTION crm.lock_streams SET plan_cache_mode TO force_generic_plan;
ALTER FUNCTION crm.lock_streams SET enable_seqscan TO off;
ALTER FUNCTION crm.lock_streams SET jit TO off;
ALTER FUNCTION crm.count_request SET plan_cache_mode TO force_generic_plan;
ALTER FUNCTION crm.count_request SET enable_seqscan TO off;
ALTER FUNCTION crm.count_request SET jit TO off;
