"""``stepladder score``: step scores of answers by a trained PRM, and the best answer to each question."""

import argparse
import sys
from pathlib import Path

from stepladder.errors import StepladderError
from stepladder.study.fields import ACCUMULATIONS

_INPUTS = (
    "a trajectories.parquet of a study, or .jsonl with {'question': ..., 'responses': [...]} a line; "
    "'prompt' in place of 'question' is taken as it is"
)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="stepladder", description="Uses models that a Stepladder study has trained.")
    commands = parser.add_subparsers(dest="command", required=True)
    score = commands.add_parser("score", description=__doc__, help="score the steps of answers with a trained PRM")
    score.add_argument("--prm", type=Path, required=True, metavar="DIR", help="checkpoint of the PRM")
    score.add_argument("--input", type=Path, required=True, metavar="FILE", help=_INPUTS)
    score.add_argument("--output", type=Path, required=True, metavar="FILE", help="step scores: .parquet or .jsonl")
    score.add_argument("--best-of-n", type=Path, metavar="FILE", help="the best answer to each question, as .jsonl")
    score.add_argument(
        "--accumulate", choices=ACCUMULATIONS, default="min", help="from step scores to an answer's score (min)"
    )
    score.add_argument(
        "--tokenizer",
        type=Path,
        metavar="DIR",
        help="checkpoint whose tokenizer made the ids of a .parquet, where it is not the PRM's own",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; a fault that the user can mend is one line, and the exit code 1."""
    given = build_parser().parse_args(arguments)
    # Loads torch, for which nobody who asks for --help should wait.
    from stepladder.command.score import score

    try:
        told = score(given.prm, given.input, given.output, given.best_of_n, given.accumulate, given.tokenizer)
    except StepladderError as error:
        print(f"stepladder: {error}", file=sys.stderr)
        return 1
    print(told)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
