"""Run the workflows process: `python -m services.workflows`."""

from services.runtime.applied_erasures import after_erasures
from services.runtime.process import run_process
from services.runtime.reachability import DATABASE, KAFKA
from services.workflows.workflows import work

if __name__ == "__main__":
    run_process("workflows", after_erasures(work), needs=(DATABASE, KAFKA))
