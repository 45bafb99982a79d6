"""Run the relay process: `python -m services.relay`."""

from services.relay.relay import work
from services.runtime.process import run_process
from services.runtime.reachability import DATABASE, KAFKA

if __name__ == "__main__":
    run_process("relay", work, needs=(DATABASE, KAFKA))
