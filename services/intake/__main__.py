"""Run the intake process: `python -m services.intake`."""

from services.intake.intake import work
from services.runtime.process import run_process
from services.runtime.reachability import DATABASE, KAFKA

if __name__ == "__main__":
    run_process("intake", work, needs=(DATABASE, KAFKA))
