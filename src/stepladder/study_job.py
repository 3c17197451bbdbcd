"""What entry points that read a whole study share: their arguments, and one line for a fault."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.study.graph import Study, build
from stepladder.study.load import Sources, read_study


def run_on_study(main: Callable[[Study], None], label: str) -> None:
    """Runs an entry point on the study whose file it is given; a fault that the user can mend is one line.

    Args:
        label: what the line says before the fault.
    """
    parser = argparse.ArgumentParser(description="One job on a whole study; started by Snakemake.")
    parser.add_argument("--study", type=Path, required=True, help="study.json: the merged configuration")
    try:
        main(build(read_study(parser.parse_args().study), Sources([])))
    except StepladderError as error:
        for line in str(error).splitlines():
            print(f"stepladder: {label}: {line}", file=sys.stderr)
        raise SystemExit(1) from None
