"""Ingests many studies from threads of one process: python ingest_studies.py URI CONFIG...

Prints the run ids of each as a line of JSON. Threads, since 64 processes that import MLflow do not fit a small machine.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stepladder.study.graph import build
from stepladder.study.load import Sources, read_yaml
from stepladder.tracking.ingest import ingest


def main() -> None:
    uri, *paths = sys.argv[1:]
    studies = [build(read_yaml(Path(path)), Sources([])) for path in paths]
    with ThreadPoolExecutor(len(studies)) as pool:
        reports = list(pool.map(lambda study: ingest(study, uri, Path("none")), studies))
    for report in reports:
        print(json.dumps(report.runs))


if __name__ == "__main__":
    main()
