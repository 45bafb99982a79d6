"""Run the projector process: `python -m services.projector`."""

from services.projector.projector import work
from services.runtime.process import run_process
from services.runtime.reachability import DATABASE, KAFKA

if __name__ == "__main__":
    run_process("projector", work, needs=(DATABASE, KAFKA))
