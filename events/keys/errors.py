"""The reasons for which a key of a data subject cannot be used."""

from collections.abc import Collection
from uuid import UUID


class DataKeyMissing(Exception):
    """Data keys that the key store does not have, although the log has no erasure of the subjects.

    It is no `ValueError`: nothing is parked or folded as erased. Consumers wait and try again.
    """

    def __init__(self, subject_ids: Collection[UUID | None]) -> None:
        subjects = ", ".join(sorted(str(subject) for subject in subject_ids)[:3])
        super().__init__(
            f"the key store lacks {len(subject_ids)} data keys, of {subjects}: restore the key "
            "store (schema crm_keys, CRM_KEYS_URL) from its backup; without the key, the personal "
            "data of this subject cannot be read, and nothing that follows it is applied"
        )
        self.subject_ids = frozenset(subject_ids)


class MasterKeyMissing(Exception):
    """No master key is configured."""

    def __init__(self) -> None:
        super().__init__(
            "CRM_MASTER_KEY is not set: set it, or CRM_MASTER_KEY_FILE, to the base64 text of 32 "
            "random bytes (`openssl rand -base64 32`), and keep a copy in a safe place"
        )
