"""Run the timers process: `python -m services.timers`."""

from services.runtime.process import run_process
from services.runtime.reachability import DATABASE
from services.timers.timers import work

if __name__ == "__main__":
    run_process("timers", work, needs=(DATABASE,))
