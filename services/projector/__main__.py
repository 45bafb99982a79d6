"""Run the projector process: `python -m services.projector`."""

from services.projector.projector import work
from services.runtime.process import run_process

if __name__ == "__main__":
    run_process("projector", work)
