"""Run the sender process: `python -m services.sender`."""

from services.runtime.applied_erasures import after_erasures
from services.runtime.process import run_process
from services.runtime.reachability import DATABASE
from services.sender.sender import work

if __name__ == "__main__":
    run_process("sender", after_erasures(work), needs=(DATABASE,))
