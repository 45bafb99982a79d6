"""Run the intake process: `python -m services.intake`."""

from services.intake.intake import work
from services.runtime.process import run_process

if __name__ == "__main__":
    run_process("intake", work)
