"""Algebra in processes of their own: nothing that an answer holds can hang, fill up or end the process that grades."""

import atexit
import json
import selectors
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Literal, Self

from stepladder.errors import StepladderError

Verdict = Literal["equal", "different", "failed"]
"""failed: the worker ran out of time or memory, or broke down; such a pair counts as different."""

_MODULE = "stepladder.questions.mathematics.worker"
_REMEMBERED = 1 << 17
BROKEN = 3
"""Exit status of a worker that a pair has broken."""


@dataclass(frozen=True)
class Limits:
    """What one pair may cost.

    Attributes:
        cpu_seconds: computing time, which does not depend on what else the machine does; kept by the kernel.
        wall_seconds: time until the reply, with the start of the worker; ends a worker that does not compute at all.
        megabytes: address space of a worker.
    """

    cpu_seconds: float = 1.0
    wall_seconds: float = 60.0
    megabytes: int = 1024


class Checker:
    """A small pool of workers that compare answers with math-verify.

    Workers start with the first pairs and are used again; one that exceeds a limit is ended and replaced. Verdicts are
    remembered, so that an answer that many samples give is compared once. Not for use by several threads at a time.

    Attributes:
        verdicts: how many pairs had each verdict, those remembered not counted again.
    """

    def __init__(self, workers: int = 2, limits: Limits | None = None):
        self.verdicts: Counter[Verdict] = Counter()
        self._most = workers
        self._limits = limits or Limits()
        self._workers: list[_Worker] = []
        self._known: dict[tuple[str, str], Verdict] = {}

    def compare(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """The verdict on each pair of answers in one form (``forms.Form.text``); the order in a pair is irrelevant.

        Raises:
            StepladderError: when math-verify cannot be loaded.
        """
        keys = [(min(pair), max(pair)) for pair in pairs]
        if len(self._known) + len(keys) > _REMEMBERED:
            self._known = {}
        try:
            self._decide(deque(key for key in dict.fromkeys(keys) if key not in self._known))
        except BaseException:
            self.close()  # a reply that nobody has read would be taken for the next one
            raise
        return [self._known[key] for key in keys]

    def _decide(self, waiting: deque[tuple[str, str]]) -> None:
        idle = self._enough(len(waiting))
        busy: dict[_Worker, tuple[str, str]] = {}
        with selectors.DefaultSelector() as replies:
            while waiting or busy:
                while waiting and idle:
                    worker = idle.pop()
                    busy[worker] = waiting.popleft()
                    worker.ask(busy[worker], replies)
                deadline = min(worker.deadline for worker in busy)
                ready = {key.data for key, _ in replies.select(max(deadline - time.monotonic(), 0))}
                for worker in [*busy]:
                    if worker in ready or time.monotonic() >= worker.deadline:
                        verdict = worker.reply(replies, worker in ready)
                        self._known[busy.pop(worker)] = verdict
                        self.verdicts[verdict] += 1
                        idle.append(worker)

    def _enough(self, pairs: int) -> "list[_Worker]":
        while len(self._workers) < min(self._most, pairs):
            self._workers.append(_Worker(self._limits))
        return self._workers[:pairs]

    def close(self) -> None:
        """Ends the workers; the next pairs start others."""
        for worker in self._workers:
            worker.stop()
        self._workers = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@cache
def process_checker() -> Checker:
    """The checker that this process shares; its workers end with the process."""
    checker = Checker()
    atexit.register(checker.close)
    return checker


class _Worker:
    """One process, or none yet."""

    def __init__(self, limits: Limits):
        self.deadline = 0.0
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, pair: tuple[str, str], replies: selectors.BaseSelector) -> None:
        """Sends a pair, and has its reply awaited."""
        if self._process is None:
            self._process = self._start()
        with suppress(BrokenPipeError):  # it has ended; so has its output, which tells
            self._process.stdin.write(json.dumps({"first": pair[0], "second": pair[1]}).encode() + b"\n")
            self._process.stdin.flush()
        self.deadline = time.monotonic() + self._limits.wall_seconds
        replies.register(self._process.stdout, selectors.EVENT_READ, self)

    def reply(self, replies: selectors.BaseSelector, ready: bool) -> Verdict:
        """The verdict on the pair asked; a worker that has none to give is stopped.

        Raises:
            StepladderError: when the worker cannot work at all.
        """
        replies.unregister(self._process.stdout)
        line = self._process.stdout.readline() if ready else b""
        if not line.endswith(b"\n"):
            status = self._process.wait() if ready else None
            self.stop()
            if status is not None and status > 0 and status != BROKEN:
                raise StepladderError(
                    "the process that compares answers cannot work; see what it says: "
                    f"{sys.executable} -m {_MODULE} 1 1024 < /dev/null"
                )
            return "failed"
        return "equal" if json.loads(line)["equal"] else "different"

    def stop(self) -> None:
        """Ends the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        limits = (str(self._limits.cpu_seconds), str(self._limits.megabytes))
        return subprocess.Popen(
            [sys.executable, "-m", _MODULE, *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
