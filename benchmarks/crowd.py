"""A large number of leads, written directly into the tables, for the measurement of reads."""

from dataclasses import dataclass
from itertools import cycle, islice
from uuid import UUID, uuid4

from events.log.connection import Connection

DAYS = 365
"""The leads arrived evenly over this number of days, up to now."""
OTHER_PROPERTIES = 199
"""Properties besides the large one; every second one belongs to another organisation."""
SOURCES = "'{Google,Zillow,Referral,Facebook Ads,LumaLeasing Widget,Website,Walk-in}'::text[]"
STATUSES = "'{new,new,contacted,contacted,tour_booked,toured,leased,lost}'::text[]"
FIRST = "'{Ada,Grace,José,Mei,Oluwaseun,Søren,Zoë,Ali,Noor,Kim}'::text[]"
LAST = "'{Lovelace,Hopper,García,Lin,Adeyemi,Nguyen,Kaya,Park}'::text[]"
LISTED_TABLES = ("leads", "crm_state.lead_texts", "crm_state.lead_score_state")
KINDS = "'{email_opened,email_clicked,price_check,document_viewed}'::text[]"


@dataclass(frozen=True, slots=True)
class Crowd:
    """The ids of the large property, its organisation, and a member who reads it."""

    org_id: UUID
    property_id: UUID
    member: UUID
    busy_lead: UUID
    """A lead of the large property with rows in every table."""


async def insert_crowd(conn: Connection, leads: int, in_large_property: int) -> Crowd:
    """Insert leads, `in_large_property` of them in one property; needs a superuser."""
    org, other, member = uuid4(), uuid4(), uuid4()
    properties = [uuid4() for _ in range(1 + OTHER_PROPERTIES)]
    orgs = list(islice(cycle((org, other)), len(properties)))
    settings = '{"timezone": "America/New_York"}'
    await conn.execute(
        "INSERT INTO organizations (id, name) VALUES ($1, 'A'), ($2, 'B')", org, other
    )
    await conn.execute(
        "INSERT INTO properties (id, org_id, name, settings) "
        f"SELECT id, org_id, 'Property', '{settings}' "
        "FROM unnest($1::uuid[], $2::uuid[]) AS _(id, org_id)",
        properties,
        orgs,
    )
    await conn.execute(
        "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')", member, org
    )
    async with conn.transaction():
        await conn.execute(
            "SET LOCAL crm.engine = 'on'; SET LOCAL session_replication_role = 'replica'; "
            "SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = 0"
        )
        await conn.execute(_LEADS, properties, orgs, leads, leads // in_large_property)
        for statement in _ROWS:
            await conn.execute(statement)
        busy = await conn.fetchval(
            "SELECT max(id::text)::uuid FROM new_leads WHERE property_id = $1 AND n % 8 = 0 "
            "AND merged_into IS NULL",
            properties[0],
        )
    for table in (*LISTED_TABLES, "lead_scores", "lead_activities", "lead_engagement_events",
                  "tours", "widget_sessions", "conversations", "messages",
                  "crm_state.response_times"):  # fmt: skip
        await conn.execute(f"VACUUM (ANALYZE) {table}")
    # Again: the first run could not mark pages that an automatic ANALYZE still saw as visible.
    for table in LISTED_TABLES:
        await conn.execute(f"VACUUM {table}")
    return Crowd(org, properties[0], member, busy)


def _id(number: str) -> str:
    """Return SQL for an id; ids are in the order of time, as the core makes them."""
    return f"lpad(to_hex({number}), 32, '0')::uuid"


def _of(names: str, number: str) -> str:
    return f"({names})[1 + ({number}) % array_length({names}, 1)]"


_LEADS = f"""
CREATE TEMP TABLE new_leads ON COMMIT DROP AS
SELECT n, {_id("n")} AS id, ($1::uuid[])[index] AS property_id, ($2::uuid[])[index] AS org_id,
  now() - make_interval(secs => ($3::float - n) / $3 * {DAYS} * 86400) AS at,
  (n * 7919) % 71 + 20 AS score,
  CASE WHEN n % 51 = 30 AND n > {OTHER_PROPERTIES} * $4
    THEN {_id(f"n - {OTHER_PROPERTIES} * $4")} END AS merged_into
FROM generate_series(1, $3::bigint) AS n,
  LATERAL (SELECT CASE WHEN n % $4::bigint = 0 THEN 1 ELSE 2 + n % {OTHER_PROPERTIES} END
    AS index) AS _
"""  # 71 scores from 20 to 90; one lead of 51 is merged into another one of its property
_ROWS = (
    f"""
    INSERT INTO leads (id, property_id, org_id, source, first_name, last_name, email, phone,
      status, created_at, updated_at, merged_into)
    SELECT id, property_id, org_id, {_of(SOURCES, "n / 3")}, {_of(FIRST, "n / 5")},
      {_of(LAST, "n / 7")}, 'lead.' || n || '@example.com', '+1212' || lpad(n::text, 7, '0'),
      {_of(STATUSES, "n / 11")}, at, at, merged_into FROM new_leads
    """,
    """
    INSERT INTO crm_state.lead_texts (lead_id, org_id, property_id, created_at, is_merged,
      first_name, last_name, email, phone, searched)
    SELECT id, org_id, property_id, created_at, merged_into IS NOT NULL, first, last, email, phone,
      concat_ws(' ', first, last, email, phone)
    FROM leads, crm_api.search_form(first_name) AS first, crm_api.search_form(last_name) AS last
    WHERE org_id IS NOT NULL
    """,
    f"""
    INSERT INTO crm_state.lead_score_state (lead_id, org_id, property_id, inputs, fold_time,
      next_change_at, revision, result, merged_into, merged, total_score, scored_at, factors_key)
    SELECT id, org_id, property_id,
      jsonb_build_object('created', (extract(epoch FROM at) * 1000000)::bigint, 'source', 'Google',
        'email', true, 'phone', true, 'first_name', true, 'last_name', true, 'engagements', 2,
        'tours', '{{}}'::jsonb, 'window', '[]'::jsonb),
      scored, NULL, 2,
      jsonb_build_array(score, 0, 2, 12, 20, 0, 'cold', jsonb_build_array(
        jsonb_build_object('factor', 'Email provided', 'impact', '+8', 'type', 'positive'),
        jsonb_build_object('factor', 'Phone provided', 'impact', '+6', 'type', 'positive'),
        jsonb_build_object('factor', 'Source: ' || {_of(SOURCES, "n / 3")}, 'impact', '+12',
          'type', 'positive'),
        jsonb_build_object('factor', 'Tour no-show', 'impact', '-5', 'type', 'negative'))),
      merged_into, CASE WHEN merged_into IS NOT NULL THEN '[]'::jsonb END,
      CASE WHEN merged_into IS NULL THEN score END, CASE WHEN merged_into IS NULL THEN scored END,
      CASE WHEN merged_into IS NULL THEN (n / 3) % 7 END
    FROM new_leads, LATERAL (SELECT least(now(), at + make_interval(days => 14)) AS scored) AS _
    """,
    f"""
    INSERT INTO lead_scores (id, lead_id, org_id, property_id, total_score, score_bucket, factors,
      scored_at, revision)
    SELECT {_id("n * 2 + k")}, id, org_id, property_id, score - 5 * (1 - k),
      CASE WHEN score >= 70 THEN 'hot' WHEN score >= 45 THEN 'warm' ELSE 'cold' END,
      '[{{"factor": "Email provided", "impact": "+8", "type": "positive"}}]',
      least(now(), at + make_interval(days => 14 * k)), k + 1
    FROM new_leads, generate_series(0, 1) AS k
    """,
    f"""
    INSERT INTO lead_activities (id, lead_id, org_id, property_id, type, description, created_at)
    SELECT {_id("n * 2 + k")}, id, org_id, property_id, 'note', 'Wants a quiet unit.',
      at + make_interval(hours => k) FROM new_leads, generate_series(0, 1) AS k
    """,
    f"""
    INSERT INTO lead_engagement_events (id, lead_id, org_id, property_id, event_type, score_weight,
      created_at)
    SELECT {_id("n * 2 + k")}, id, org_id, property_id, {_of(KINDS, "n + k")}, 10,
      at + make_interval(hours => k) FROM new_leads, generate_series(0, 1) AS k
    """,
    f"""
    INSERT INTO tours (id, lead_id, org_id, property_id, tour_date, tour_time, status, created_at,
      starts_at, time_zone)
    SELECT {_id("n")}, id, org_id, property_id, at::date, '14:00', 'completed', at,
      (at::date + time '14:00') AT TIME ZONE 'America/New_York', 'America/New_York'
    FROM new_leads WHERE n % 4 = 0
    """,
    f"""
    INSERT INTO widget_sessions (id, lead_id, org_id, property_id, created_at, last_activity_at)
    SELECT {_id("n")}, CASE WHEN n % 4 = 0 THEN id END, org_id, property_id, at, at
    FROM new_leads WHERE n % 2 = 0
    """,
    f"""
    INSERT INTO conversations (id, lead_id, org_id, property_id, channel, created_at,
      widget_session_id)
    SELECT {_id("n")}, id, org_id, property_id, 'widget', at, {_id("n")}
    FROM new_leads WHERE n % 4 = 0
    """,
    f"""
    INSERT INTO messages (id, conversation_id, org_id, property_id, role, content, created_at,
      position)
    SELECT {_id("n * 4 + k")}, {_id("n")}, org_id, property_id,
      CASE k % 2 WHEN 0 THEN 'user' ELSE 'assistant' END, 'Hi!', at + make_interval(mins => k),
      n * 4 + k
    FROM new_leads, generate_series(0, 3) AS k WHERE n % 4 = 0
    """,
    f"""
    INSERT INTO crm_state.response_times (conversation_id, org_id, property_id, is_of_widget,
      is_in_order, first_at, last_at, answered, answered_microseconds, waiting,
      waiting_microseconds)
    SELECT {_id("n")}, org_id, property_id, true, true, at, at + interval '3 min',
      2, 120000000, 0, 0 FROM new_leads WHERE n % 4 = 0
    """,
)
