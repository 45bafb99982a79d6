-- The keys of contact details are stored in the events that the database makes of the host's rows,
-- as services/deciders/contacts.py decides them. A value without a key identifies nobody.
CREATE FUNCTION crm.is_junk_email(local text, domain text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT split_part(local, '+', 1) = ANY (ARRAY['test', 'none', 'na', 'n/a', 'null', 'nan',
      'undefined', 'unknown', 'noemail', 'no-email', 'no_email', 'no.email', 'nomail', 'noreply',
      'no-reply', 'no_reply', 'donotreply', 'do-not-reply', 'asdf', 'qwerty'])
    OR split_part(local, '+', 1) ~ '^(00+)?$'
    OR domain = ANY (ARRAY['none.com', 'noemail.com', 'nomail.com', 'no-email.com'])
    OR domain LIKE '%.invalid' $$;

-- Lower case is the same everywhere for ASCII only, and only the library can map a name that is
-- not ASCII or is encoded (xn--): such an address of the host identifies nobody.
CREATE FUNCTION crm.email_key(email text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT address FROM (
    SELECT address, substring(address FROM '[^@]*$') AS domain,
      regexp_replace(address, '@[^@]*$', '') AS local
    FROM (SELECT lower(btrim(email, E' \t\n\r\f\v')) AS address) AS typed) AS split
  WHERE address ~ '^[\x21-\x7e]+@[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+$'
    AND domain !~ '(^|\.)xn--' AND domain !~ '\.([0-9]+|0x[0-9a-f]*)$'
    AND NOT crm.is_junk_email(local, domain) $$;

CREATE FUNCTION crm.phone_key(phone text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT number FROM (SELECT btrim(phone, E' \t\n\r\f\v') AS number) AS typed
  WHERE number ~ '^\+[1-9][0-9]{3,14}$' AND EXISTS (
    SELECT FROM crm.phone_patterns p
    WHERE p.calling_code IN (substr(number, 2, 1), substr(number, 2, 2), substr(number, 2, 3))
      AND substr(number, 2 + length(p.calling_code)) ~ ('^(?:' || p.pattern || ')$')) $$;

CREATE FUNCTION crm.claim_value(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT left(encode(sha256(convert_to(value, 'UTF8')), 'hex'), 40) $$;

-- A lead's event has the keys of the details that it has.
CREATE FUNCTION crm.with_contact_keys(details jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT details
    || CASE WHEN details ? 'email'
         THEN jsonb_build_object('email_key', crm.email_key(details ->> 'email')) ELSE '{}' END
    || CASE WHEN details ? 'phone'
         THEN jsonb_build_object('phone_key', crm.phone_key(details ->> 'phone')) ELSE '{}' END $$;

CREATE OR REPLACE FUNCTION crm.say_for_host(
  event_id uuid, stream text, entity uuid, name text, said jsonb, property uuid, lead uuid,
  at timestamptz, speaker text, source text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  has_details constant boolean := name IN ('lead.adopted', 'lead.updated');
  content constant jsonb := CASE WHEN has_details THEN crm.with_contact_keys(said) ELSE said END;
BEGIN
  INSERT INTO public.crm_events (id, entity_type, entity_id, version, shard, event_type,
    schema_version, org_id, property_id, lead_id, occurred_at, payload, digest, actor, origin)
  SELECT event_id, stream, entity, coalesce(max(e.version), 0) + 1, crm.shard_of(property), name,
    CASE WHEN has_details THEN 2 ELSE 1 END, crm.org_of(property), property, lead, at, content,
    sha256(convert_to(content::text, 'UTF8')), speaker, source
  FROM public.crm_events e WHERE e.entity_type = stream AND e.entity_id = entity;
END $$;

-- The first owner of an address keeps it: the host may have it twice. As events/claims.py does it.
CREATE OR REPLACE FUNCTION crm.claim_for_host(lead uuid, property uuid, email text, phone text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  keys constant jsonb := jsonb_strip_nulls(jsonb_build_object(
    'lead.email', crm.email_key(email), 'lead.phone', crm.phone_key(phone)));
BEGIN
  DELETE FROM crm.claims held
  WHERE held.scope = property AND held.kind IN ('lead.email', 'lead.phone')
    AND (held.owner = lead AND held.via = '{}' OR held.via <> '{}' AND held.via[1] = lead)
    AND held.value IS DISTINCT FROM crm.claim_value(keys ->> held.kind);
  -- What a merged lead claims is its winner's.
  INSERT INTO crm.claims (kind, scope, value, owner, via)
  SELECT new.key, property, crm.claim_value(new.value), coalesce(merged.owner, lead),
    coalesce(merged.via, '{}')
  FROM jsonb_each_text(keys) AS new
  LEFT JOIN crm.claims merged ON merged.kind = 'lead.merged' AND merged.scope = property
    AND merged.value = lead::text
  ORDER BY new.key
  ON CONFLICT DO NOTHING;
END $$;

-- The claims that exist are derived again. The value of a claim is that of its origin, the first
-- lead of `via`, or else its owner. Version 1 of the events stored e-mail addresses case-folded.
CREATE FUNCTION crm.claimed_text(claim crm.claims, field text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT e.payload ->> field FROM public.crm_events e
  WHERE e.entity_type = split_part(claim.kind, '.', 1)
    AND e.entity_id = coalesce(claim.via[1], claim.owner) AND e.payload ? field
  ORDER BY e.version DESC LIMIT 1 $$;

DELETE FROM crm.claims c WHERE c.kind = 'lead.phone'
  AND crm.phone_key(crm.claimed_text(c, 'phone')) IS NULL;
DELETE FROM crm.claims c WHERE c.kind = 'lead.email' AND crm.is_junk_email(
  lower(regexp_replace(crm.claimed_text(c, 'email'), '@[^@]*$', '')),
  lower(substring(crm.claimed_text(c, 'email') FROM '[^@]*$')));
UPDATE crm.claims c SET value = crm.claim_value(crm.claimed_text(c, 'external_id'))
WHERE c.kind = 'lead.external_id' AND crm.claimed_text(c, 'external_id') IS NOT NULL;
UPDATE crm.claims c SET value = crm.claim_value(crm.claimed_text(c, 'slug'))
WHERE c.kind = 'template.slug' AND crm.claimed_text(c, 'slug') IS NOT NULL;
DROP FUNCTION crm.claimed_text;
