"""Edited dead letters: an operator corrects a refused record, and it is sent as a new one.

The refused record stays as it was, with the status `replaced`. The new record has a new id, the
refused record as its cause, the operator as its actor, and a reason. It is stored as an open dead
letter, so that it is encrypted and found by an erasure, and then it is redriven like any other: the
intake checks it by the same rules.
"""

from uuid import UUID, uuid5

import orjson

from events.ids import producer_event_id
from events.log.connection import Connection
from services.application.producer_record import ProducerRecord, read_producer_record
from services.application.raw_record import EDITED_TOPIC, RawRecord
from services.application.rejection import RejectedRecord, RejectionReason
from services.application.sealed_records import COLUMNS, DeadLetter, seal_records
from services.runtime.cloud_events import CloudEvent, InvalidCloudEvent, read_cloud_event
from services.runtime.strict_json import InvalidJson, find_error_place, parse_json

EDITED = "edited"
"""The reason code of an edited record until the intake has processed it."""
_KEPT_ATTRIBUTES = ("source", "type", "schemaversion", "propertyid", "time", "correlationid")


class NotEditable(Exception):
    """The dead letter cannot be edited; the message says why, and what to do instead."""


def read_data(dead: DeadLetter) -> str:
    """Return the data of a refused record as text: indented JSON if it is. Raise `NotEditable`."""
    data = _read(dead).data
    if isinstance(data, bytes):
        try:
            data = parse_json(data)
        except InvalidJson:
            return data.decode("utf-8", "replace")
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode()


def edit_record(
    dead: DeadLetter, data: str, *, command_id: UUID, actor: str, reason: str
) -> tuple[RawRecord, ProducerRecord]:
    """Return the corrected record, and what the intake reads of it.

    Raise `NotEditable`, or `RejectedRecord` with the place of what is wrong in `data`.
    """
    attributes = _read(dead).attributes
    try:
        parse_json(data.encode())
    except InvalidJson as error:
        place = find_error_place(data)
        raise RejectedRecord(RejectionReason.MALFORMED, f"{place}{error}") from None
    kept = {name: attributes[name] for name in _KEPT_ATTRIBUTES if name in attributes}
    sent = {
        **kept, "specversion": "1.0", "id": str(uuid5(command_id, "record")),
        "causationid": str(dead.id), "actor": actor, "reason": reason,
    }  # fmt: skip
    headers = (
        ("content-type", b"application/json"),
        *((f"ce_{name}", text.encode()) for name, text in sent.items()),
    )
    timestamp = dead.columns["kafka_timestamp"]
    # The offset makes the id of the record: it is the same for the same command.
    offset = command_id.int & (2**63 - 1)
    record = RawRecord(EDITED_TOPIC, 0, offset, timestamp, None, data.encode(), headers)
    return record, read_producer_record(record)


async def replace_dead_letter(
    conn: Connection, dead: DeadLetter, record: RawRecord, read: ProducerRecord
) -> None:
    """Store the corrected record as an open dead letter, in the caller's transaction.

    Raise `NotEditable` if the refused one is not open any more, or belongs to no organisation.
    """
    columns = dead.columns
    org_id: UUID | None = columns["org_id"]
    owner: UUID | None = await conn.fetchval(
        "SELECT org_id FROM public.properties WHERE id = $1", read.property_id
    )
    if owner is None or org_id not in (None, owner):
        raise NotEditable(f"property {read.property_id} is not one of the record's organisation")
    replaced = await conn.fetchval(
        "UPDATE crm.dead_letters SET status = 'replaced', replaced_by = $2, "
        "last_at = clock_timestamp() WHERE id = $1 AND status = 'open' RETURNING true",
        dead.id,
        record.id,
    )
    if not replaced:
        raise NotEditable("the record is not open any more: open its page again")
    sealed = (await seal_records(conn, [(record, "")]))[record.id]
    await conn.execute(
        f"INSERT INTO crm.dead_letters (id, {', '.join(COLUMNS)}, ce_source, ce_id, event_type, "
        "event_id, org_id, property_id, reason, copied_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, clock_timestamp())",
        record.id,
        *sealed,
        read.source,
        read.ce_id,
        read.event.name,
        producer_event_id(owner, read.source, read.ce_id, read.event),
        owner,
        read.property_id,
        EDITED,
    )


def _read(dead: DeadLetter) -> CloudEvent:
    if dead.record is None:
        raise NotEditable("its content was erased")
    if dead.columns["status"] != "open":
        raise NotEditable(f"it is {dead.columns['status']}: only an open record can be edited")
    try:
        read = read_cloud_event(dead.record.headers, dead.record.value)
    except InvalidCloudEvent as error:
        raise NotEditable(f"it is not a CloudEvent: {error}") from None
    if "type" not in read.attributes or "source" not in read.attributes:
        raise NotEditable("it names no event type or no source: let its producer send it again")
    return read
