"""The offer of the console at the end of the demo, while its stack still runs."""

import asyncio
import sys

from services.demo.commands import CommandRunner
from services.runtime.terminal import NOTES, note

QUESTIONS = (
    "Which lead is the hottest, and why?", "Why was a message not sent?", "Is anything behind?",
    "What did this lead do yesterday?",
)  # fmt: skip
"""Questions that the pages answer."""


def offer_console(commands: CommandRunner) -> None:
    """Open the console each time that Enter is pressed; return at Ctrl-C or the end of input."""
    NOTES.rule("the console: press Enter to open it, Ctrl-C to stop everything")
    for question in QUESTIONS:
        note(f"  {question}")
    try:
        while sys.stdin.readline():
            asyncio.run(commands.run("console", "--operator"))
    except KeyboardInterrupt:
        note("stopping")
