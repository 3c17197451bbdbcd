"""What is wrong in a study: one line per fault that a user can act on."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stepladder.errors import StepladderError


@dataclass(frozen=True)
class Fault:
    """One thing wrong: where (stage, node, key ...) and what, with what is allowed."""

    location: tuple[str, ...]
    message: str

    def line(self, file: str) -> str:
        """``file: stage.node.key: message`` on one line."""
        parts = (file, ".".join(self.location), self.message)
        line = " ".join(": ".join(part for part in parts if part).split())
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


class StudyFaults(StepladderError):
    """Every fault of a study, one line each."""

    def __init__(self, lines: list[str]):
        self.lines = lines
        super().__init__("\n".join(lines))


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that the given one was probably meant to be."""
    return next(iter(difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)), None)


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """``; did you mean 'x'?`` when something allowed is close to the word, else the list of what is allowed."""
    meant = closest(word, allowed)
    if meant is not None:
        return f"; did you mean {meant!r}?"
    return f"; allowed: {', '.join(sorted(allowed))}" if allowed else ""


_YAML_WORDS = {"None": "null", "True": "true", "False": "false"}


def short(value: Any) -> str:
    """A value much as a user wrote it, cut to a length that leaves the line readable."""
    text = _YAML_WORDS.get(repr(value), repr(value))
    return text if len(text) <= 60 else text[:57] + "..."
