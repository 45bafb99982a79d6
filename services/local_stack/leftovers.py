"""Processes that a killed stack left running; they are ended before a new start."""

import os
from pathlib import Path

import psutil

from services.local_stack.child_process import stop

STOP_SECONDS = 10.0


def end_leftovers(home: Path) -> list[int]:
    """End every process of the core that uses this CRM_HOME; return their ids."""
    pids = [process.pid for process in psutil.process_iter() if _belongs(process, home)]
    for pid in pids:
        stop(pid, STOP_SECONDS)
    return pids


def _belongs(process: psutil.Process, home: Path) -> bool:
    if process.pid == os.getpid():  # `python -m services.cli down` looks like one of them
        return False
    try:
        command = process.cmdline()
        if len(command) < 3 or command[1] != "-m" or not command[2].startswith("services."):
            return False
        return process.environ().get("CRM_HOME") == str(home)
    except (psutil.Error, OSError):  # it ended meanwhile, or belongs to another user
        return False
