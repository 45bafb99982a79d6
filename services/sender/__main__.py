"""Run the sender process: `python -m services.sender`."""

from services.runtime.process import run_process
from services.runtime.reachability import DATABASE
from services.sender.sender import work

if __name__ == "__main__":
    run_process("sender", work, needs=(DATABASE,))
