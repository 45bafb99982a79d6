"""The rotation of the master key while several processes append and read."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from events.keys import rotation
from events.keys.master import MasterKeys, parse_master_keys
from events.keys.ring import current_ring
from events.keys.rotation import count_old_keys
from events.leads import LeadNoted
from events.log import read
from services.runtime.settings import Settings
from tests.conftest import until
from tests.events.keys import test_rotation
from tests.events.keys.loaded_keys import forget_keys
from tests.events.keys.test_rotation import NEW, rotate
from tests.forked import ForkedProcess
from tests.world import World

world, both = test_rotation.world, test_rotation.both

RUN = "from tests.events.keys.note_writer import run; run(); raise SystemExit"
NOTES = "crm_events WHERE event_type = 'lead.noted'"
STOP_SECONDS = 30.0


class Writers:
    """Note writers by the name of their events' actor."""

    def __init__(self, settings: Settings, world: World, errors: Path) -> None:
        self._settings, self._world, self._errors = settings, world, errors
        self._processes: dict[str, ForkedProcess] = {}

    async def start(self, keys: Mapping[str, str]) -> None:
        """Start a writer with each of these master keys, and wait until each has appended."""
        for name, master_keys in keys.items():
            self._processes[name] = ForkedProcess(
                "api", self._settings, self._errors, RUN, CRM_MASTER_KEY=master_keys, WRITER=name,
                ORG=str(self._world.org_id), PROPERTY=str(self._world.properties[0]),
            )  # fmt: skip
            await self._processes[name].start()
        await self.wait_for_notes(5, *keys)

    async def wait_for_notes(self, number: int, *names: str) -> None:
        """Wait until each of these writers has appended so many notes more."""
        before = await self._count_notes()
        chosen = names or tuple(self._processes)

        async def have_appended() -> bool:
            running = [process.exit_code is None for process in self._processes.values()]
            assert all(running), self._errors.read_text()
            now = await self._count_notes()
            return all(now[name] - before[name] >= number for name in chosen)

        await until(have_appended)

    async def stop(self, *names: str) -> None:
        """Stop these; the exit code is 0 if everything that they read was right."""
        stopped = {name: self._processes.pop(name) for name in names}
        for process in stopped.values():
            process.stop()
        codes = {name: await process.wait(STOP_SECONDS) for name, process in stopped.items()}
        assert codes == dict.fromkeys(names, 0), self._errors.read_text()

    async def _count_notes(self) -> Counter[str]:
        rows = await self._world.pool.fetch(f"SELECT actor, count(*) FROM {NOTES} GROUP BY actor")
        return Counter(dict(map(tuple, rows)))


async def test_processes_append_and_read_while_the_master_key_is_rotated(
    world: World, settings: Settings, both: MasterKeys, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """First one of them still encrypts with the old key, at last one does not know it."""
    monkeypatch.setattr(rotation, "BATCH_KEYS", 10)
    assert settings.master_key is not None
    old = settings.master_key.get_secret_value()
    writers = Writers(settings, world, tmp_path / "errors")
    await writers.start({"old-first": f"{old},{NEW}", "new-first": f"{NEW},{old}"})
    forget_keys(monkeypatch, both)
    assert await rotate(world) > 0
    await writers.wait_for_notes(5)
    await writers.stop("old-first")
    assert await rotate(world) > 0, "the keys of the process that still had the old one first"
    await writers.wait_for_notes(5)
    assert await count_old_keys(current_ring(), world.pool) == 0
    await writers.start({"new-only": NEW})
    await writers.wait_for_notes(5)
    await writers.stop("new-first", "new-only")

    forget_keys(monkeypatch, parse_master_keys(NEW))
    await current_ring().prepare(world.pool)
    async with world.pool.acquire() as conn:
        rows = await conn.fetch(f"SELECT {read.COLUMNS} FROM {NOTES}")
        events = [recorded.event for recorded in await read.decode_rows(conn, rows)]
    assert all(isinstance(e, LeadNoted) and e.note == str(e.lead_id) for e in events)
    assert len(events) >= 30
