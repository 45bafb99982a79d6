"""Lead references: what a widget gets instead of the id of a lead.

The id of a lead contains the time at which it was made, which is the person's first contact, and it
is the same for everybody who names the person's address. A reference reveals neither: it is a keyed
digest of the lead and of its holder, in the form of a UUID, because clients expect one. It needs no
table, and nobody has to resolve it: no route of the widget takes a lead.
"""

import hashlib
import hmac
from uuid import UUID

from events.ids import reserved_id
from events.log.secret_keys import load_secret_keys
from services.application.unit_of_work import UnitOfWork


async def make_lead_reference(uow: UnitOfWork, lead_id: UUID, holder: str) -> UUID:
    """Return the reference of a lead for one holder, such as a session, as a UUID of version 8.

    The same holder gets the same reference again until the key is rotated.
    """
    key, *_ = await load_secret_keys(uow.conn, "lead_reference")
    name = f"{uow.scope.property_id}/{lead_id}/{holder}".encode()
    return reserved_id(hmac.digest(key.key, name, hashlib.sha256))
