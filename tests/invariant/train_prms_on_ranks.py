"""Run on one or several ranks: python train_prms_on_ranks.py JOBS, the command lines of PRM nodes as a list of JSON."""

import json
import runpy
import sys
from pathlib import Path

from accelerate import Accelerator
from accelerate.state import AcceleratorState

from stepladder.job import parse_job

if __name__ == "__main__":
    main = runpy.run_path(str(Path(__file__).parents[2] / "workflow" / "scripts" / "prm.py"))["main"]
    # All trainings share the ranks; accelerate keeps one state a process, and allows DeepSpeed only in a new one.
    Accelerator.end_training = lambda self: AcceleratorState._reset_state(reset_partial_state=True)
    for arguments in json.loads(sys.argv[1]):
        main(parse_job(arguments))
