"""How on-policy policies learnt: reward, accuracy, KL and explained variance against generated tokens."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stepladder.records import read_history
from stepladder.report.answers import origin
from stepladder.report.canvas import COLOURS, GRID, LITERALLY, panels, save

TOKENS = "generated_tokens"
MEASURES = {
    "reward": "mean reward of the episodes",
    "accuracy": "accuracy of the episodes",
    "kl": "KL to the reference, nats a token",
    "explained_variance": "explained variance of the critic",
}
_DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Course:
    """A row's training: by seed the points of its history, one an iteration."""

    label: str
    seeds: Mapping[int, Sequence[Mapping[str, Any]]]

    def line(self, seed: int, measure: str) -> np.ndarray:
        """(2, points) tokens generated up to the end of an iteration, and the measure; no points where it has none."""
        points = [point for point in self.seeds[seed] if measure in point]
        return np.array([[point[TOKENS] for point in points], [point[measure] for point in points]], dtype=np.float64)

    def mean(self, measure: str) -> np.ndarray:
        """(2, points) tokens and the mean over seeds, at those of their points that lie in every seed's course.

        Between two points a seed's measure is on the straight line. No points where a seed has none, or where none are
        shared.
        """
        lines = [self.line(seed, measure) for seed in self.seeds]
        if not all(line.size for line in lines):
            return np.empty((2, 0))
        places = np.unique(np.concatenate([line[0] for line in lines]))
        first, last = max(line[0, 0] for line in lines), min(line[0, -1] for line in lines)
        places = places[(places >= first) & (places <= last)]
        return np.array([places, np.mean([np.interp(places, *line) for line in lines], axis=0)])


def read_courses(learners: Mapping[str, str | None], paths: Sequence[Path]) -> list[Course]:
    """The courses of the rows that have one, in the order of the rows.

    Args:
        learners: by a row's label its on-policy policy; None in rows of other policies.
        paths: the history.jsonl of every such policy and seed; the metrics.json beside each says whose.

    Raises:
        StepladderError: when a file cannot be read.
    """
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for path in paths:
        name, seed = origin(path)
        found.setdefault(name, {})[seed] = read_history(path)
    return [Course(label, found[name]) for label, name in learners.items() if name is not None]


def render_courses_csv(courses: Sequence[Course]) -> str:
    """One line a row, seed and iteration; empty where a credit has no critic to explain variance."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "seed", "iteration", TOKENS, *MEASURES])
    for course in courses:
        for seed, points in course.seeds.items():
            for point in points:
                told = (point.get(measure, "") for measure in MEASURES)
                writer.writerow([course.label, seed, point["step"], point[TOKENS], *told])
    return text.getvalue()


@LITERALLY
def draw_courses(title: str, courses: Sequence[Course], path: Path) -> None:
    """A panel a measure; a colour and a dash a row, seeds thin and their mean thick."""
    if not courses:
        figure, _ = panels(0, "no row of this table is a policy that has learnt on-policy")
        save(figure, path)
        return
    figure = Figure(figsize=(12.0, 7.4), layout="constrained", dpi=150)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    places = figure.subplots(2, 2, squeeze=False).flatten()
    for axes, (measure, words) in zip(places, MEASURES.items(), strict=True):
        _draw_panel(axes, courses, measure)
        axes.set_xlabel("thousand generated tokens")
        axes.set_ylabel(words)
        axes.grid(color=GRID)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8)
    save(figure, path)


def _draw_panel(axes: Axes, courses: Sequence[Course], measure: str) -> None:
    drawn = False
    for place, course in enumerate(courses):
        style = {"color": COLOURS[place % len(COLOURS)], "linestyle": _DASHES[place // len(COLOURS) % len(_DASHES)]}
        seeds = [course.line(seed, measure) for seed in course.seeds]
        for tokens, values in seeds if len(seeds) > 1 else []:
            axes.plot(tokens / 1e3, values, linewidth=0.7, alpha=0.45, **style)
        tokens, values = course.mean(measure)
        axes.plot(tokens / 1e3, values, linewidth=1.8, label=course.label, **style)
        drawn |= tokens.size > 0
    if not drawn:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color="#555555")
