"""Run the replay worker: `python -m services.replay_worker`."""

from services.replay_worker.replay_worker import work
from services.runtime.process import run_process
from services.runtime.reachability import DATABASE

if __name__ == "__main__":
    run_process("replay_worker", work, needs=(DATABASE,))
