"""The key ring of a process: it unwraps keys of the key store and remembers them for a while."""

import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg

from events.keys import store
from events.keys.data_key import DataKey
from events.keys.errors import DataKeyMissing, MasterKeyMissing
from events.keys.master import (
    KEY_BYTES,
    MasterKeys,
    WrappedKey,
    WrongMasterKey,
    describe_wrong_keys,
)
from events.keys.purpose_keys import PurposeKeys
from events.keys.store import Source, StoredKey
from events.uuids import QuickUUID

LIFESPAN_SECONDS = 60.0
"""Seconds for which a loaded data key is used.

After an erasure another process can read the values of the subject until it loads the key again.
"""
ID_BYTES = 16
MAX_KEYS = 20_000
"""Data keys that a process remembers at most. Each occupies 3 kB."""
CONTACT_HASH = "contact_hash"
"""The purpose of the key with which contact details are hashed."""
CERTIFICATE = "certificate"
"""The purpose of the key with which certificates of erasures are signed."""


class SubjectKeys(NamedTuple):
    """The keys of an append: data subject → its data key, None for an erased one.

    `contact_key` is the key of hashes of contact details.
    """

    keys: Mapping[UUID, DataKey | None]
    contact_key: bytes


class NewKey(NamedTuple):
    """A data key that the key store does not have yet, and its wrapped form."""

    key: DataKey
    wrapped: WrappedKey


class _Loaded(NamedTuple):
    key: DataKey | None
    """None: the subject is erased."""
    until: float


class KeyRing:
    """Loads and creates keys. `open_store` returns the pool of a key store of its own.

    Without it, the key store is in the log's database, and statements run on the connection of the
    caller, in its transaction.
    """

    def __init__(
        self,
        master_keys: MasterKeys,
        open_store: Callable[[], Awaitable[asyncpg.Pool]] | None = None,
    ) -> None:
        self.master_keys = master_keys
        self._open_store = open_store
        self._loaded: dict[UUID, _Loaded] = {}
        self._secrets = PurposeKeys(master_keys, LIFESPAN_SECONDS)
        self._key_ids: dict[UUID, UUID] = {}
        """Data subject → the id of its key, for those loaded."""

    @property
    def has_own_store(self) -> bool:
        """True if the key store is another database than the log's."""
        return self._open_store is not None

    def find(self, subject_id: UUID) -> DataKey | None:
        """Return the key of a subject if this process has loaded it a short time ago."""
        key_id = self._key_ids.get(subject_id)
        loaded = None if key_id is None else self._loaded.get(key_id)
        return None if loaded is None or loaded.until < time.monotonic() else loaded.key

    def make_key(self, subject_id: UUID) -> NewKey:
        """Return a new key of a subject. The caller stores it, unless the subject has one."""
        key_id, bytes_ = uuid4(), os.urandom(KEY_BYTES)
        wrapped = self.master_keys.wrap(bytes_, context_of(key_id, subject_id))
        return NewKey(DataKey(key_id, subject_id, bytes_), wrapped)

    def remember(self, keys: Iterable[DataKey]) -> None:
        """Remember keys that the store has now."""
        until = time.monotonic() + LIFESPAN_SECONDS
        for key in keys:
            self._remember_as(key.id, key, until)

    async def store_of(self, source: Source) -> Source:
        """Return where statements about keys run."""
        return source if self._open_store is None else await self._open_store()

    async def require_master_keys(self, source: Source) -> None:
        """Raise `WrongMasterKey` if the store has keys that this process cannot unwrap."""
        used = await store.read_master_key_ids(await self.store_of(source))
        if wrong := [key_id for key_id in used if key_id not in self.master_keys.ids]:
            raise WrongMasterKey(describe_wrong_keys(wrong, self.master_keys.ids))

    async def prepare(self, source: Source) -> None:
        """Check the master keys, and create the secret keys that the store lacks.

        An append would create them in its transaction, and the first one would delay all others.
        Every backup of the store has the key that signs certificates, so that a certificate can be
        checked after a restore.
        """
        await self.require_master_keys(source)
        await self.contact_key(source)
        await self.secret_key(source, CERTIFICATE)

    async def load(
        self,
        source: Source,
        key_ids: Collection[UUID],
        subject_of: Callable[[UUID], UUID | None],
    ) -> Mapping[UUID, DataKey | None]:
        """Return key id → data key, None where the subject is erased; one query for those missing.

        `subject_of` returns the data subject of a key, as far as the event says it; only keys that
        the store does not have need it. Raises `DataKeyMissing`.
        """
        found = self.find_loaded(key_ids)
        if len(found) < len(key_ids):
            unknown = [key_id for key_id in key_ids if key_id not in found]
            found |= await self._load_unknown(source, unknown, subject_of)
        return found

    def find_loaded(self, key_ids: Iterable[UUID]) -> dict[UUID, DataKey | None]:
        """Return key id → data key, None where the subject is erased, for those in memory."""
        now, loaded = time.monotonic(), self._loaded
        return {
            key_id: found.key for key_id in key_ids
            if (found := loaded.get(key_id)) is not None and found.until >= now
        }  # fmt: skip

    async def _load_unknown(
        self,
        source: Source,
        key_ids: Sequence[UUID],
        subject_of: Callable[[UUID], UUID | None],
    ) -> dict[UUID, DataKey | None]:
        if self._open_store is None:
            stored, erased = await store.read_keys_and_erasures(source, key_ids)
            owners = {}
        else:
            stored = await store.read_keys(await self._open_store(), key_ids)
            owners = {key_id: row.subject_id for key_id, row in stored.items()}
            erased = set()
        owners |= {key_id: subject_of(key_id) for key_id in key_ids if key_id not in stored}
        if subjects := {subject_id for subject_id in owners.values() if subject_id is not None}:
            erased |= await store.read_erased(source, subjects)
        found: dict[UUID, DataKey | None] = {}
        missing: list[UUID | None] = []
        for key_id in key_ids:
            row = stored.get(key_id)
            subject_id = owners[key_id] if row is None else row.subject_id
            # A key store that was restored may still have the key of an erased subject.
            if subject_id in erased:
                found[key_id] = None
                self._remember_as(key_id, None, time.monotonic() + LIFESPAN_SECONDS)
            elif row is None or row.wrapped is None:
                missing.append(subject_id)
            else:
                found[key_id] = self._unwrap(row)
        if missing:
            raise DataKeyMissing(missing)
        return found

    async def keys_for_append(
        self,
        source: Source,
        rows: Mapping[UUID, StoredKey],
        erased: Collection[UUID],
        subject_ids: Iterable[UUID],
        contact: WrappedKey | None,
    ) -> SubjectKeys:
        """Return the keys of these subjects; create those of new subjects.

        `rows` and `contact` are what the log's database has, read with `erased` in one statement;
        `contact` is not needed if `has_contact_key`.
        """
        target = await self.store_of(source)
        subject_ids = list(subject_ids)
        if self._open_store is not None:
            rows = await store.read_keys_of(target, subject_ids) if subject_ids else {}
        keys = await self._complete(target, rows, erased, subject_ids)
        contact_key = self._secrets.find_loaded(CONTACT_HASH)
        if contact_key is None and self._open_store is None:
            contact_key = await self._secrets.unwrap(target, CONTACT_HASH, contact)
        return SubjectKeys(keys, contact_key or await self.contact_key(source))

    async def keys_of(
        self, source: Source, subject_ids: Iterable[UUID]
    ) -> dict[UUID, DataKey | None]:
        """Return data subject → its key, None for an erased one; create those of new subjects.

        Raises `DataKeyMissing`.
        """
        target, subject_ids = await self.store_of(source), list(subject_ids)
        if self._open_store is None:
            rows, erased = await store.read_keys_and_erasures_of(source, subject_ids)
        else:
            erased = await store.read_erased(source, subject_ids)
            rows = await store.read_keys_of(target, subject_ids)
        return await self._complete(target, rows, erased, subject_ids)

    async def last_keys(self, source: Source, subject_ids: Iterable[UUID]) -> dict[UUID, DataKey]:
        """Return key id → key of erased subjects, as far as they are not destroyed.

        Only an erasure may use them: it looks for the values of the person outside of the log,
        and then destroys them. They are not remembered.
        """
        rows = await store.read_keys_of(await self.store_of(source), subject_ids)
        keys = [self._open(row) for row in rows.values() if row.wrapped is not None]
        return {key.id: key for key in keys}

    async def destroy(self, source: Source, subject_ids: Collection[UUID]) -> int:
        """Destroy the data keys of these subjects for good; return how many existed until now.

        Other processes can have them in memory for `LIFESPAN_SECONDS` more.
        """
        target = await self.store_of(source)
        count = await store.destroy_keys(target, list(subject_ids))
        await store.add_destroyed_keys(target, {subject_id: uuid4() for subject_id in subject_ids})
        self._loaded = {
            key_id: loaded for key_id, loaded in self._loaded.items()
            if loaded.key is None or loaded.key.subject_id not in subject_ids
        }  # fmt: skip
        return count

    async def _complete(
        self,
        target: Source,
        rows: Mapping[UUID, StoredKey],
        erased: Collection[UUID],
        subject_ids: Iterable[UUID],
    ) -> dict[UUID, DataKey | None]:
        """Return the keys of these rows, and new ones of the subjects without a row."""
        found: dict[UUID, StoredKey] = {}
        new: list[UUID] = []
        for subject_id in subject_ids:
            if (row := rows.get(subject_id)) is None:
                new.append(subject_id)
            else:
                found[subject_id] = row
        if erased:
            found = {s: row for s, row in found.items() if s not in erased}
            new = [s for s in new if s not in erased]
        keys: dict[UUID, DataKey | None] = dict.fromkeys(erased)
        if new:
            made, stored = self._make_keys(new)
            found |= (others := await store.add_keys(target, stored))
            keys.update(zip(new, made, strict=True))
            self.remember([key for key in made if not others or key.subject_id not in others])
        if missing := [s for s, row in found.items() if row.wrapped is None]:
            raise DataKeyMissing(missing)
        keys |= {subject_id: self._unwrap(row) for subject_id, row in found.items()}
        return keys

    async def contact_key(self, source: Source) -> bytes:
        """Return the key with which contact details are hashed; create it if there is none."""
        return await self.secret_key(source, CONTACT_HASH)

    async def secret_key(self, source: Source, purpose: str) -> bytes:
        """Return the secret key of a purpose; create it if there is none."""
        return await self._secrets.load(await self.store_of(source), purpose)

    @property
    def has_contact_key(self) -> bool:
        """Return whether `contact_key` needs no query now."""
        return self._secrets.find_loaded(CONTACT_HASH) is not None

    def _make_keys(self, subject_ids: Sequence[UUID]) -> tuple[list[DataKey], list[StoredKey]]:
        """Return a new key of each subject, and their rows in the key store."""
        size = ID_BYTES + KEY_BYTES
        random = os.urandom(size * len(subject_ids))  # one system call for all keys
        wrap = self.master_keys.wrap
        made: list[DataKey] = []
        rows: list[StoredKey] = []
        for start, subject_id in zip(range(0, len(random), size), subject_ids, strict=True):
            id_bytes = random[start : start + ID_BYTES]
            key_id, key = QuickUUID(id_bytes), random[start + ID_BYTES : start + size]
            wrapped = wrap(key, id_bytes + subject_id.bytes)  # as `context_of`
            made.append(DataKey(key_id, subject_id, key))
            rows.append(StoredKey(subject_id, key_id, *wrapped))
        return made, rows

    def _unwrap(self, row: StoredKey) -> DataKey:
        """Return the key of a row, which has one, and remember it."""
        loaded = None if row.key_id is None else self._loaded.get(row.key_id)
        if loaded is None or loaded.key is None:
            return self._remember(self._open(row))
        if loaded.until < time.monotonic() + LIFESPAN_SECONDS / 2:
            self._remember(loaded.key)
        return loaded.key

    def _open(self, row: StoredKey) -> DataKey:
        subject_id, key_id, wrapped, master_key = row
        if subject_id is None or key_id is None or wrapped is None or master_key is None:
            raise RuntimeError("a key without its bytes is missing or destroyed")
        stored = WrappedKey(wrapped, master_key)
        bytes_ = self.master_keys.unwrap(stored, context_of(key_id, subject_id))
        return DataKey(key_id, subject_id, bytes_)

    def _remember(self, key: DataKey) -> DataKey:
        self._remember_as(key.id, key, time.monotonic() + LIFESPAN_SECONDS)
        return key

    def _remember_as(self, key_id: UUID, key: DataKey | None, until: float) -> None:
        self._loaded.pop(key_id, None)  # the newest are last, so the first ones are the oldest
        self._loaded[key_id] = _Loaded(key, until)
        if key is not None:
            self._key_ids[key.subject_id] = key_id
        if len(self._loaded) > MAX_KEYS:
            oldest = self._loaded.pop(next(iter(self._loaded))).key
            if oldest is not None:
                self._key_ids.pop(oldest.subject_id, None)


def context_of(key_id: UUID, subject_id: UUID) -> bytes:
    """Return what a wrapped data key is bound to: its id and its data subject."""
    return key_id.bytes + subject_id.bytes


_ring: KeyRing | None = None


def use_ring(ring: KeyRing) -> None:
    """Use this key ring in the whole process from now on."""
    global _ring
    _ring = ring


def current_ring() -> KeyRing:
    """Return the key ring of the process. Raises `MasterKeyMissing`."""
    if _ring is None:
        raise MasterKeyMissing
    return _ring
