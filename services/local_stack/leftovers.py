"""Processes of a stack that was killed: they belong to nobody and are ended before a new start."""

import os
from pathlib import Path

import psutil

from services.local_stack.child_process import stop

STOP_SECONDS = 10.0


def end_leftovers(home: Path) -> list[int]:
    """End every process of ours that works for this home; returns their ids."""
    found = [process.pid for process in psutil.process_iter() if _belongs(process, home)]
    for pid in found:
        stop(pid, STOP_SECONDS)
    return found


def _belongs(process: psutil.Process, home: Path) -> bool:
    if process.pid == os.getpid():  # `python -m services.cli down`
        return False
    try:
        command = process.cmdline()
        if len(command) < 3 or command[1] != "-m" or not command[2].startswith("services."):
            return False
        return process.environ().get("CRM_HOME") == str(home)
    except (psutil.Error, OSError):
        return False
