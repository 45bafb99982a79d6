"""`crm demo`: simulate some days of leasing, crash, rebuild and verify, in a few minutes.

The demo starts its own servers in a private directory, and stops everything that it started.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from cyclopts import App

from services.demo.console_offer import offer_console
from services.demo.demo import Demo
from services.demo.demo_time import DemoTime
from services.demo.follow_ups import first_morning
from services.demo.local_providers import LocalProviders
from services.local_stack.stack import Stack
from services.runtime.terminal import NOTES, Failure, examples, note

app = App(
    name="demo",
    help_epilogue=examples("crm demo", "crm demo --seed 7", "crm demo --console"),
    help_format="plaintext",
)


@app.default
def demo(*, seed: int = 1, keep: bool = False, console: bool | None = None) -> int:
    """Send follow-ups for five days; simulate traffic; kill the projector; rebuild and verify.

    The exit code is 0 if live = rebuilt for every projection.

    Parameters
    ----------
    seed
        The same seed gives the same actions.
    keep
        Keep the data and the logs.
    console
        At the end, keep everything running and offer the console, until Ctrl-C; by default only
        in a terminal.
    """
    home = Path(tempfile.mkdtemp(prefix="crm-demo-"))
    started = time.monotonic()
    try:
        NOTES.rule("start PostgreSQL, a broker and eight processes")
        start, demo_time = first_morning(), DemoTime(home / "clock-delay")
        demo_time.set(start)
        with LocalProviders() as providers:
            changes = {**providers.settings, "clock_delay_file": demo_time.file}
            with Stack(home, http_port=0, notice=note, changes=changes) as stack:
                demo_run = Demo(stack, seed, providers, demo_time, start)
                result = asyncio.run(demo_run.run())
                offers_console = sys.stdin.isatty() if console is None else console
                if offers_console:
                    offer_console(demo_run.commands)
    except BaseException:
        keep = True
        note(f"the logs are in {home}/logs")
        raise
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)
    if not result.equal:
        raise Failure("live and rebuilt rows differ, which is a fault: report it with the output")
    seconds = time.monotonic() - started
    note(f"live = rebuilt for every projection; everything is stopped ({seconds:.0f} s)")
    if not offers_console:
        note("`crm demo --console` keeps everything running and opens the console")
    return 0
