"""`crm demo`: a believable day of leasing, from nothing to a verified story, in a few minutes.

It starts servers of its own in a private directory, and stops everything it started.
"""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

from cyclopts import App

from services.demo.demo import Story
from services.local_stack.stack import Stack
from services.runtime.terminal import NOTES, Failure, examples, note

app = App(
    name="demo",
    help_epilogue=examples("crm demo", "crm demo --seed 7"),
    help_format="plaintext",
)


@app.default
def demo(*, seed: int = 1, keep: bool = False) -> int:
    """Chat, leave contacts, book and miss tours; crash, recover, rebuild, verify.

    Exit code 0 where live = rebuilt for every projection.

    Parameters
    ----------
    seed
        The same seed tells the same story.
    keep
        Leave the data and the logs behind for a look.
    """
    home = Path(tempfile.mkdtemp(prefix="crm-demo-"))
    began = time.monotonic()
    try:
        NOTES.rule("PostgreSQL, a broker and five processes, from wheels")
        with Stack(home, http_port=0, notice=note) as stack:
            ending = asyncio.run(Story(stack, seed).tell())
    except BaseException:
        keep = True
        note(f"the logs are in {home}/logs")
        raise
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)
    if not ending.equal:
        raise Failure("live and rebuilt rows differ: this must never happen")
    seconds = time.monotonic() - began
    note(f"live = rebuilt for every projection; everything stopped ({seconds:.0f} s)")
    return 0
