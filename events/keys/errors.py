"""The reasons for which a key of a data subject cannot be used."""

from collections.abc import Collection
from uuid import UUID


class DataKeyMissing(Exception):
    """Data keys that the key store does not have, although the log has no erasure of the subjects.

    It is no `ValueError`: nothing is parked or folded as erased. Consumers wait and try again.
    """

    def __init__(self, subject_ids: Collection[UUID | None]) -> None:
        number = len(subject_ids)
        named = sorted(str(subject) for subject in subject_ids if subject is not None)[:3]
        owners = f", of {', '.join(named)}" if named else ""
        super().__init__(
            f"the key store lacks {number} data key{'s' if number > 1 else ''}{owners}: restore "
            "the key store (schema crm_keys, CRM_KEYS_URL) from its backup; without its key, the "
            "personal data of a subject cannot be read, and nothing that follows it is applied"
        )
        self.subject_ids = frozenset(subject_ids)


class MasterKeyMissing(Exception):
    """No master key is configured."""

    def __init__(self) -> None:
        super().__init__(
            "CRM_MASTER_KEY is not set: set it, or CRM_MASTER_KEY_FILE, to the base64 text of 32 "
            "random bytes (`openssl rand -base64 32`), and keep a copy in a safe place"
        )
