-- The texts by which leads are searched, filled as the projector does it.
CREATE TABLE crm_state.lead_texts (
  lead_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  property_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  is_merged boolean NOT NULL,
  first_name text,
  last_name text,
  email text,
  phone text,
  searched text
);
INSERT INTO crm_state.lead_texts
SELECT id, org_id, property_id, created_at, merged_into IS NOT NULL, first, last, email, phone,
  nullif(left(concat_ws(' ', nullif(first, ''), nullif(last, ''), nullif(email, ''),
    nullif(phone, ''), nullif(nullif(translate(phone, ' ()-./', ''), phone), '')), 500), '')
FROM (SELECT id, org_id, property_id, created_at, merged_into,
  crm_api.search_form(first_name) AS first, crm_api.search_form(last_name) AS last,
  crm_api.search_form(email) AS email, crm_api.search_form(phone) AS phone
  FROM leads WHERE org_id IS NOT NULL) AS forms;
CREATE INDEX lead_texts_listed
  ON crm_state.lead_texts (property_id, created_at, lead_id) INCLUDE (searched)
  WHERE NOT is_merged;
CALL crm.guard_table('crm_state.lead_texts', 'POST or PATCH /api/leads');
CREATE POLICY "Members read the texts of their leads" ON crm_state.lead_texts
  FOR SELECT TO authenticated
  USING (property_id = ANY ((SELECT crm_api.property_ids())::uuid[]));
