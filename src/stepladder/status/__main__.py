"""``python -m stepladder.status``: where every job of a study stands. It only reads, and may be asked at any time."""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from stepladder.status.queue import read_queue
from stepladder.status.show import show_standings
from stepladder.status.standing import survey
from stepladder.study.faults import Fault, StudyFaults
from stepladder.study.graph import build
from stepladder.study.load import Sources, overlay

DEFAULT_STUDY = Path("config/config.yaml")


def main(arguments: list[str] | None = None) -> int:
    """Prints the survey and returns 0, or one line per fault of the study on stderr and returns 1."""
    parser = argparse.ArgumentParser(prog="python -m stepladder.status", description=__doc__)
    parser.add_argument("--configfile", nargs="+", type=Path, default=[DEFAULT_STUDY], help="as snakemake was given")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as snakemake was given")
    given = parser.parse_args(arguments)
    try:
        sources = Sources(given.configfile)
        study = build(overlay(sources.merged(), settings(given.config)), sources)
    except StudyFaults as faults:
        print(*faults.lines, sep="\n", file=sys.stderr)
        return 1
    print(show_standings(study.settings.study, survey(study, read_queue)))
    return 0


def settings(pairs: list[str]) -> dict[str, Any]:
    """The settings on a command line; a value is read as YAML, as snakemake reads it.

    Raises:
        StudyFaults: when something is no setting.
    """
    given = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        try:
            given[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            separator = ""
        if not separator:
            raise StudyFaults([Fault((), f"{pair!r} is no setting; write KEY=VALUE").line("--config")])
    return given


if __name__ == "__main__":
    raise SystemExit(main())
