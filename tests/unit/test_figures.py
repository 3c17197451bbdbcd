"""Figures: the numbers behind them by hand, and that the picture shows them."""

import matplotlib.image
import numpy as np
import pytest
from synthetic_answers import DPO_GREEDY, SFT_SAMPLES, SFT_SCORES, write_evaluation, write_study

from stepladder.report.answers import read_evaluated
from stepladder.report.cells import AVERAGE, Cell, Line
from stepladder.report.curves import MAJORITY, ORACLE, RANDOM, best_of_n_curves
from stepladder.report.figures import draw_bars, draw_curves
from stepladder.report.tables import ResultTable
from stepladder.study.specs.tables import AnswersRow, AnswersTable

PNG = b"\x89PNG\r\n\x1a\n"
TABLE = AnswersTable(
    kind="answers", title="t", baseline="SFT", rows=(AnswersRow(label="SFT", evaluation="sft"),), resamples=200
)


@pytest.fixture
def curves(tmp_path):
    (found,) = best_of_n_curves(TABLE, read_evaluated(write_study(tmp_path)), seed=0)
    return found


def test_curves_are_those_of_the_evaluation_with_samples_and_a_prm(curves):
    assert curves.evaluation == "sft" and curves.greedy.mean == pytest.approx(37.5)
    assert [curve.label for curve in curves.curves] == ["PRM bce (last)", MAJORITY, ORACLE, RANDOM]
    assert all(list(curve.cells) == [1, 2, 4] for curve in curves.curves)


def test_one_sample_is_the_mean_of_the_samples_for_every_curve(curves):
    mean = 100 * ((1.5 / 3 + 1.25 / 3) / 2 + (0.125 + 0.25) / 2) / 2
    # Except for the vote, they all read single samples: (0.125 + 0.25)/2 holds for unreadable ones, too.
    assert [curve.cells[1].mean for curve in curves.curves] == pytest.approx([mean] * 4)


def test_curves_at_four_samples_by_hand(curves):
    by_label = {curve.label: curve.cells[4].mean for curve in curves.curves}
    # The best-scored of all four. seed 0: a wrong, b right, c 1/2; d wrong, e right. seed 1: a right, b wrong, c right;
    # d right, e unreadable.
    assert by_label["PRM bce (last)"] == pytest.approx(100 * ((1.5 / 3 + 2 / 3) / 2 + (0.5 + 0.5) / 2) / 2)
    assert by_label[ORACLE] == pytest.approx(100 * ((3 / 3 + 2 / 3) / 2 + (0.5 + 1) / 2) / 2)
    assert by_label[MAJORITY] == pytest.approx(100 * ((1.5 / 3 + 1 / 3) / 2 + (1 / 6 + 1 / 2) / 2) / 2)
    assert by_label[RANDOM] == pytest.approx(curves.curves[-1].cells[1].mean)


def test_an_evaluation_without_greedy_answers_has_curves_too(tmp_path):
    path = write_evaluation(tmp_path, "given", 0, {}, SFT_SAMPLES[0], SFT_SCORES[0])
    spec = AnswersTable(
        kind="answers", title="t", baseline="x", resamples=50,
        rows=(AnswersRow(label="x", evaluation="given", answer="majority", n=4),),
    )  # fmt: skip
    (found,) = best_of_n_curves(spec, read_evaluated([path]), seed=0)
    assert found.greedy is None and len(found.curves) == 4
    draw_curves([found], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_accumulations_named_by_rows_get_their_own_curve(tmp_path):
    rows = (*TABLE.rows, AnswersRow(label="x", evaluation="sft", answer="best_of_n", n=4, prm="bce", accumulate="min"))
    spec = TABLE.model_copy(update={"rows": rows})
    (found,) = best_of_n_curves(spec, read_evaluated(write_study(tmp_path)), seed=0)
    assert [curve.label for curve in found.curves] == ["PRM bce (min)", MAJORITY, ORACLE, RANDOM]


def test_without_samples_there_is_a_picture_that_says_so(tmp_path):
    path = write_evaluation(tmp_path, "sft", 0, DPO_GREEDY[0])
    found = best_of_n_curves(TABLE, read_evaluated([path]), seed=0)
    assert found == []
    draw_curves(found, tmp_path / "empty.png")
    pixels = matplotlib.image.imread(tmp_path / "empty.png")
    assert pixels[..., :3].min() < 0.5 and np.mean(pixels[..., :3] < 0.9) < 0.05


def bar_pixels(tmp_path, means, reported=False):
    """Width in pixels of the bars of a table with these averages."""
    lines = [Line(f"r{i}", "s", reported and i > 0, {AVERAGE: Cell(mean, mean, mean)}) for i, mean in enumerate(means)]
    table = ResultTable("t", "r0", ("qqa",), 1, tuple(lines))
    path = tmp_path / "bars.png"
    draw_bars(table, path)
    assert path.read_bytes().startswith(PNG)
    pixels = np.round(255 * matplotlib.image.imread(path)[..., :3]).astype(int)
    colour = np.array([0xB8, 0xBC, 0xC2] if reported else [0x00, 0x72, 0xB2])
    widths = np.sum(np.all(abs(pixels - colour) <= 1, axis=-1), axis=1)
    return [max(chunk) for chunk in np.split(widths, np.flatnonzero(widths == 0)) if max(chunk, default=0) > 0]


def test_bars_are_as_long_as_the_averages(tmp_path):
    widths = bar_pixels(tmp_path, [80.0, 40.0, 20.0])
    assert len(widths) == 3
    assert [width / widths[0] for width in widths] == pytest.approx([1, 0.5, 0.25], abs=0.02)


def test_reported_bars_have_a_colour_of_their_own(tmp_path):
    assert len(bar_pixels(tmp_path, [80.0, 40.0, 20.0], reported=True)) == 2
