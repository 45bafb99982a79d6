"""Key rings of another process, which has loaded nothing."""

import pytest

from events.keys import ring
from events.keys.master import MasterKeys
from events.keys.ring import KeyRing, current_ring


def forget_keys(monkeypatch: pytest.MonkeyPatch, master_keys: MasterKeys | None = None) -> None:
    """Use a key ring that has loaded nothing, with these master keys or the present ones."""
    monkeypatch.setattr(ring, "_ring", KeyRing(master_keys or current_ring().master_keys))
