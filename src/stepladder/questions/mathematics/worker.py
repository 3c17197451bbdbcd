"""A process that compares pairs of answers with math-verify: one JSON line in, one JSON line out, within limits.

    python -m stepladder.questions.mathematics.worker SECONDS MEGABYTES

Each pair has SECONDS of CPU time, after which the kernel ends the process; the address space is limited to MEGABYTES.
The process ends when its input does. It evaluates no text as code: answers are read by math-verify's LaTeX grammar.
"""

import json
import logging
import resource
import signal
import sys
from functools import lru_cache
from typing import Any, TextIO

from math_verify import LatexExtractionConfig, parse, verify

from stepladder.questions.mathematics.checker import BROKEN


def main(seconds: float, megabytes: int, requests: TextIO, replies: TextIO) -> None:
    """Answers {"first": ..., "second": ...} with {"equal": true or false}, line by line."""
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in requests:
        pair = json.loads(line)
        # Without a handler SIGPROF ends the process, whatever it is computing.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            equal = _equal(pair["first"], pair["second"])
        except Exception:
            sys.exit(BROKEN)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps({"equal": equal}), file=replies, flush=True)


def _equal(first: str, second: str) -> bool:
    # math-verify's comparison is not symmetric: some equations it takes apart on one side only.
    forms = _read(first), _read(second)
    return any(verify(*order, timeout_seconds=None) for order in (forms, forms[::-1]))


@lru_cache(maxsize=1024)
def _read(answer: str) -> list[Any]:
    """What math-verify makes of an answer; nothing where it cannot read it. It swallows what goes wrong inside."""
    return parse(f"${answer}$", [LatexExtractionConfig()], fallback_mode="no_fallback", parsing_timeout=None)


if __name__ == "__main__":
    logging.disable()
    main(float(sys.argv[1]), int(sys.argv[2]), sys.stdin, sys.stdout)
