"""The time that a job may take: it stops between two units of work, while what it has done can still be kept."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from stepladder.errors import StepladderError


def started() -> float:
    """When this job's shell began, in seconds since 1970: before Python and its libraries were loaded.

    Rules export it as STEPLADDER_STARTED; without it the job starts now. So it does for ranks on other nodes than the
    shell's: their clocks may differ, and the ranks on the shell's node keep the time for all.
    """
    told = os.environ.get("STEPLADDER_STARTED") if os.environ.get("SLURM_NODEID", "0") == "0" else None
    return float(told or time.time())


class Budget:
    """Seconds of work, from the job's start on, and how long units took that are alike: steps, iterations, chunks.

    Args:
        seconds: None where there is no limit.
        since: when the job began, in seconds since 1970.
    """

    def __init__(self, seconds: float | None, since: float):
        self.seconds = seconds
        self._ends = float("inf") if seconds is None else time.monotonic() + seconds - (time.time() - since)
        self._units, self._taken = 0, 0.0

    @contextmanager
    def unit(self) -> Iterator[None]:
        """The block is one unit of work."""
        began = time.monotonic()
        yield
        self._units, self._taken = self._units + 1, self._taken + time.monotonic() - began

    def spent(self) -> bool:
        """Whether the time is up, or would be before another unit ends that takes as long as those before it did."""
        return time.monotonic() + self._mean() > self._ends

    def advice(self) -> str | None:
        """What to tell a user whose units take so much of the time that a stop loses much; None where they do not."""
        if self.seconds is None or self._mean() <= self.seconds / 2:
            return None
        took = f"{self._mean():.3g} s of a time budget of {self.seconds:.0f} s"
        return f"took {took}, and a job that is killed loses it; raise scale.resources.<work>.runtime"

    def _mean(self) -> float:
        return self._taken / self._units if self._units else 0.0

    def fault(self, boundary: str, kept: str) -> StepladderError:
        """What to say when the work stops.

        Args:
            boundary: where it stops, such as "at step 3 of 9".
            kept: what of it is kept, and how to go on.
        """
        if self._units:
            pace = f"each takes {self._mean():.3g} s"
        else:
            pace = "the time went before the first of them; raise scale.resources.<work>.runtime"
        return StepladderError(f"time budget of {self.seconds:.0f} s spent {boundary}; {kept} ({pace})")
