-- The organisation and the role of a profile decide what row level security shows. A host may let
-- clients write profiles: "users update their own profile" is a usual policy. So the database itself
-- keeps these columns from clients. An AFTER trigger sees the values that are stored, also those of
-- an upsert and those that BEFORE triggers of the host changed.
CREATE FUNCTION crm.protect_membership() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, crm AS $$
DECLARE caller constant uuid := auth.uid();
BEGIN
  IF TG_OP = 'INSERT' THEN
    RAISE EXCEPTION 'profile %: a client cannot create a profile', NEW.id
      USING HINT = 'Create profiles as service_role: a profile opens the data of its organisation.',
            ERRCODE = 'insufficient_privilege';
  ELSIF (NEW.id, NEW.org_id) IS DISTINCT FROM (OLD.id, OLD.org_id) THEN
    RAISE EXCEPTION 'profile %: a client cannot change id and org_id', OLD.id
      USING HINT = 'Leave them as they are, or change them as service_role.',
            ERRCODE = 'insufficient_privilege';
  ELSIF NEW.role IS DISTINCT FROM OLD.role AND (OLD.id IS NOT DISTINCT FROM caller
    OR NOT EXISTS (SELECT FROM public.profiles p WHERE p.id = caller
      AND p.org_id = OLD.org_id AND p.role::text = 'admin')) THEN
    RAISE EXCEPTION 'profile %: only another admin of its organisation can change role', OLD.id
      USING HINT = 'Ask an admin of the organisation.', ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER crm_protect_membership AFTER INSERT OR UPDATE ON profiles FOR EACH ROW
  WHEN (current_user IN ('anon', 'authenticated')) EXECUTE FUNCTION crm.protect_membership();
ALTER TABLE profiles ENABLE ALWAYS TRIGGER crm_protect_membership;
