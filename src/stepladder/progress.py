"""A progress bar that reads well on a terminal and in a log file, and that can be read back from one."""

import re
import sys
import time
from dataclasses import dataclass
from typing import TextIO

_WIDTH = 20
_LINE = re.compile(
    r"(?P<label>.*) \[#*\.*\] (?P<done>\d+)/(?P<total>\d+) (?P<unit>\S+) (?P<rate>[\d.]+)/s"
    r" ETA (?P<left>[\d:-]+)(?: (?P<note>.*))?"
)
_CHUNK = re.compile(r" chunk (?P<number>\d+)/(?P<of>\d+)\b")


@dataclass(frozen=True)
class Reading:
    """One state of a bar. ``rate``: units a second. ``left``: seconds, None when unknown."""

    label: str
    done: int
    total: int
    unit: str
    rate: float
    left: int | None
    note: str = ""

    @property
    def chunk(self) -> tuple[int, int]:
        """Which of a job's chunks the bar is of, from 1, and of how many; the first of one where it has none."""
        found = _CHUNK.search(self.label)
        return (int(found["number"]), int(found["of"])) if found else (1, 1)


def chunk_label(label: str, number: int, of: int) -> str:
    """The label of the bar of one of a job's chunks, from 1."""
    return f"{label} chunk {number}/{of}"


def format_reading(reading: Reading) -> str:
    """The line that shows a reading."""
    filled = _WIDTH * reading.done // max(reading.total, 1)
    bar = "#" * filled + "." * (_WIDTH - filled)
    left = "--:--" if reading.left is None else format_clock(reading.left)
    count = f"{reading.done}/{reading.total} {reading.unit} {format_rate(reading.rate)}/s"
    return f"{reading.label} [{bar}] {count} ETA {left} {reading.note}".rstrip()


def parse_reading(line: str) -> Reading | None:
    """The reading that a line shows; None where it shows none."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    return Reading(
        label=found["label"],
        done=int(found["done"]),
        total=int(found["total"]),
        unit=found["unit"],
        rate=float(found["rate"]),
        left=None if "-" in found["left"] else _seconds(found["left"]),
        note=found["note"] or "",
    )


def format_rate(rate: float) -> str:
    """A rate with one decimal, and with four where one would say nothing."""
    return f"{rate:.1f}" if rate >= 1 or rate == 0 else f"{rate:.4f}".rstrip("0").rstrip(".")


def format_clock(seconds: float) -> str:
    """``mm:ss``, with hours before them where there are any."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def _seconds(clock: str) -> int:
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds


class Progress:
    """Bar, count, rate and time left. On a terminal the line is redrawn; elsewhere one line every ten seconds."""

    def __init__(self, label: str, total: int, unit: str, done: int = 0, stream: TextIO | None = None):
        self.label, self.total, self.unit = label, total, unit
        self.stream = stream or sys.stderr
        self.first, self.done = done, done
        self.started = time.monotonic()
        self.shown = float("-inf")
        self.live = self.stream.isatty()

    def update(self, done: int, note: str = "") -> None:
        """Says how much is done in all; ``note`` stands at the end of the line."""
        self.done = done
        now = time.monotonic()
        if now - self.shown >= (0.2 if self.live else 10.0):
            self.shown = now
            self._show(now, note)

    def close(self, note: str = "") -> None:
        """Shows the last state."""
        self._show(time.monotonic(), note)
        if self.live:
            self.stream.write("\n")

    def _show(self, now: float, note: str) -> None:
        rate = (self.done - self.first) / max(now - self.started, 1e-9)
        left = int((self.total - self.done) / rate) if rate > 0 else None
        line = format_reading(Reading(self.label, self.done, self.total, self.unit, rate, left, note))
        self.stream.write(f"\r\x1b[2K{line}" if self.live else f"{line}\n")
        self.stream.flush()
