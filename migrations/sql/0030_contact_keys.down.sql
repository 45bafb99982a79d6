-- Ids of other systems are compared without case again: of two that differ in case only, the first
-- one keeps its claim.
WITH ids AS (
  SELECT DISTINCT ON (c.scope, lower(e.payload ->> 'external_id')) c.kind, c.scope, c.value,
    lower(btrim(e.payload ->> 'external_id')) AS folded
  FROM crm.claims c JOIN public.crm_events e ON e.event_type = 'lead.imported'
    AND e.entity_type = 'lead' AND e.entity_id = coalesce(c.via[1], c.owner)
  WHERE c.kind = 'lead.external_id' ORDER BY c.scope, lower(e.payload ->> 'external_id'), e.seq)
UPDATE crm.claims c SET value = crm.claim_value(ids.folded) FROM ids
WHERE (c.kind, c.scope, c.value) = (ids.kind, ids.scope, ids.value)
  AND NOT EXISTS (SELECT FROM crm.claims other WHERE (other.kind, other.scope, other.value)
    = (ids.kind, ids.scope, crm.claim_value(ids.folded)));

CREATE OR REPLACE FUNCTION crm.say_for_host(
  event_id uuid, stream text, entity uuid, name text, said jsonb, property uuid, lead uuid,
  at timestamptz, speaker text, source text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.crm_events (id, entity_type, entity_id, version, shard, event_type,
    schema_version, org_id, property_id, lead_id, occurred_at, payload, digest, actor, origin)
  SELECT event_id, stream, entity, coalesce(max(e.version), 0) + 1, crm.shard_of(property), name,
    1, crm.org_of(property), property, lead, at, said, sha256(convert_to(said::text, 'UTF8')),
    speaker, source
  FROM public.crm_events e WHERE e.entity_type = stream AND e.entity_id = entity;
END $$;

-- Who already has an address keeps it: the host may have it twice. As events/claims.py says it.
CREATE OR REPLACE FUNCTION crm.claim_for_host(lead uuid, property uuid, email text, phone text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  wanted jsonb := '{}';
  address constant text := lower(btrim(email, E' \t\n\r\f\v'));
  number constant text := btrim(phone, E' \t\n\r\f\v');
BEGIN
  IF address ~ '^[\x21-\x7e]+$' AND split_part(split_part(address, '@', 1), '+', 1) <> ALL (
    ARRAY['test', 'none', 'na', 'noemail', 'no-email', 'noreply', 'no-reply']) THEN
    wanted := jsonb_build_object('lead.email', address);
  END IF;
  IF number ~ '^\+[\x20-\x7e]*$' AND number !~ '(\d)\1{6}' THEN
    wanted := wanted || jsonb_build_object('lead.phone', lower(number));
  END IF;
  DELETE FROM crm.claims held
  WHERE held.scope = property AND held.kind IN ('lead.email', 'lead.phone')
    AND (held.owner = lead AND held.via = '{}' OR held.via <> '{}' AND held.via[1] = lead)
    AND held.value IS DISTINCT FROM
      left(encode(sha256(convert_to(wanted ->> held.kind, 'UTF8')), 'hex'), 40);
  -- What a merged lead claims is its winner's.
  INSERT INTO crm.claims (kind, scope, value, owner, via)
  SELECT said.key, property, left(encode(sha256(convert_to(said.value, 'UTF8')), 'hex'), 40),
    coalesce(merged.owner, lead), coalesce(merged.via, '{}')
  FROM jsonb_each_text(wanted) AS said
  LEFT JOIN crm.claims merged ON merged.kind = 'lead.merged' AND merged.scope = property
    AND merged.value = lead::text
  ORDER BY said.key
  ON CONFLICT DO NOTHING;
END $$;

DROP FUNCTION crm.with_contact_keys;
DROP FUNCTION crm.claim_value;
DROP FUNCTION crm.phone_key;
DROP FUNCTION crm.email_key;
DROP FUNCTION crm.is_junk_email;
