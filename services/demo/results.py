"""The results that the demo shows: the comparison of the tables, and the best lead."""

from typing import Any

import asyncpg
import httpx2

from services.runtime.terminal import NOTES, print_line, print_rows

SHOWN_ITEMS = 14


def show_comparison(verified: dict[str, Any]) -> None:
    """Print the result of `crm replay verify`, a line for each table."""
    print_rows(
        [
            {
                "projection": row["table"],
                "live rows": f"{row['live_rows']:,}",
                "rebuilt rows": f"{row['rebuilt_rows']:,}",
                "result": row["result"],
            }
            for row in verified["tables"]
        ],
        ["projection", "live rows", "rebuilt rows", "result"],
    )


async def find_best_lead(pool: asyncpg.Pool) -> str:
    """Return the id of the lead with the highest score."""
    lead = await pool.fetchval(
        "SELECT lead_id FROM (SELECT DISTINCT ON (lead_id) lead_id, total_score "
        "FROM lead_scores ORDER BY lead_id, scored_at DESC, revision DESC) AS latest "
        "ORDER BY total_score DESC, lead_id LIMIT 1"
    )
    return str(lead)


async def show_lead(api_url: str, token: str, lead: str) -> None:
    """Print score and timeline of a lead, as the console's API has it."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=api_url, headers=headers) as client:
        score = (await client.get(f"/api/leadpulse/score?leadId={lead}")).json()["score"]
        timeline = (await client.get(f"/api/leads/{lead}/timeline")).json()
    NOTES.rule(f"score of the lead: {score['totalScore']} ({score['scoreBucket']})")
    for factor in score["factors"]:
        print_line(f"  {factor['impact']:>4}  {factor['factor']}")
    NOTES.rule("its timeline, newest first")
    for item in timeline["items"][:SHOWN_ITEMS]:
        print_line(f"  {_line(item)}")


def _line(item: dict[str, Any]) -> str:
    """Return one line for an item of the timeline."""
    match item["kind"]:
        case "score":
            text = f"{item['total_score']} {item['score_bucket']}"
        case "engagement":
            text = f"{item['event_type']} {item['score_weight']:+d}"
        case "message":
            text = f"{item['author']}: {item['content']}"
        case "tour":
            text = f"{item['status']} on {item['tour_date']} at {item['tour_time']}"
        case "delivery":
            text = f"{item['status']} {item['channel']} ({item['purpose']})"
        case _:
            text = item["description"] or item["type"]
    return f"{item['at'][11:19]}  {item['kind']:<10}  {text}"[:100]
