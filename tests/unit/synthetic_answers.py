"""Small evaluations whose tables can be worked out by hand, written as the files that an evaluation writes."""

from pathlib import Path

from stepladder.records import ANSWERS, write_json, write_records
from stepladder.study.specs.tables import AnswersRow, AnswersTable

# R: right; W, V: two different wrong answers; f: readable, and right, by the flexible rule only; -: never readable.
# The gold answer is option 2.
GOLD = "2"
STRICT = {"R": "2", "W": "1", "V": "3", "f": None, "-": None}
FLEXIBLE = {"R": "2", "W": "1", "V": "3", "f": "2", "-": None}


def answer_row(question: str, decoding: str, sample: int, letter: str, scores: dict[str, float]) -> dict:
    """One row of an evaluation; the data set is the question id up to its slash."""
    return {
        "question_id": question,
        "decoding": decoding,
        "sample": sample,
        "dataset": question.split("/")[0],
        "gold": GOLD,
        "option_order": [1, 2, 3],
        "correct": STRICT[letter] == GOLD,
        "correct_flexible": FLEXIBLE[letter] == GOLD,
        "correct_as_published": FLEXIBLE[letter] is not None,  # a rule that takes whatever it can read
        "steps": 2,
        "tokens": 9,
        "finish_reason": "stop",
        "text": "",
        "prm_scores": {prm: {"last": score, "min": 1 - score} for prm, score in scores.items()},
        "answer": STRICT[letter],
        "answer_flexible": FLEXIBLE[letter],
    }


def write_evaluation(
    root: Path, name: str, seed: int, greedy: dict[str, str], samples: dict[str, str] | None = None, scores=None
) -> Path:
    """Writes answers.parquet and metrics.json of one evaluation and seed.

    Args:
        greedy: question id -> letter.
        samples: question id -> one letter a sample.
        scores: question id -> one score a sample, by the PRM "bce".
    """
    rows = [answer_row(question, "greedy", 0, letter, {}) for question, letter in greedy.items()]
    for question, letters in (samples or {}).items():
        for index, letter in enumerate(letters):
            given = {"bce": scores[question][index]} if scores else {}
            rows.append(answer_row(question, "sampled", index, letter, given))
    folder = root / "evaluations" / name / f"seed{seed}"
    path = folder / "answers.parquet"
    write_records(rows, ANSWERS, path)
    job = {"study": "tiny", "stage": "evaluations", "name": name, "spec": {"policy": name, "samples": 4}}
    right = [row["correct"] for row in rows if row["decoding"] == "greedy"] or [False]
    metrics = {
        "job": job,
        "seed": seed,
        "counts": {"rows_in": len(greedy), "rows_out": len(rows), "dropped": {}},
        "metrics": {"accuracy": sum(right) / len(right), "by_set": {"awpnli": 0.5}},
        "versions": {"python": "3.11.0"},
        "device": "cpu",
        "wall_seconds": 1.5,
        "git": None,
    }
    write_json(metrics, folder / "metrics.json")
    return path


# Two seeds, two sets of unequal size. Greedy accuracy of sft: awpnli 1/3 and 2/3, qqa 1/2 and 0.
SFT_GREEDY = (
    {"awpnli/a": "R", "awpnli/b": "W", "awpnli/c": "f", "qqa/d": "R", "qqa/e": "-"},
    {"awpnli/a": "R", "awpnli/b": "R", "awpnli/c": "W", "qqa/d": "W", "qqa/e": "W"},
)
SFT_SAMPLES = (
    {"awpnli/a": "RRRW", "awpnli/b": "RWWV", "awpnli/c": "RRWW", "qqa/d": "----", "qqa/e": "RWVf"},
    {"awpnli/a": "RRRR", "awpnli/b": "WWWW", "awpnli/c": "RWfW", "qqa/d": "RWWW", "qqa/e": "R---"},
)
SFT_SCORES = (
    {
        "awpnli/a": [0.1, 0.2, 0.3, 0.9],
        "awpnli/b": [0.9, 0.5, 0.2, 0.1],
        "awpnli/c": [0.5, 0.5, 0.5, 0.5],
        "qqa/d": [0.1, 0.2, 0.3, 0.4],
        "qqa/e": [0.8, 0.6, 0.4, 0.2],
    },
    {
        "awpnli/a": [0.1, 0.2, 0.3, 0.4],
        "awpnli/b": [0.1, 0.2, 0.3, 0.4],
        "awpnli/c": [0.9, 0.3, 0.1, 0.2],
        "qqa/d": [0.75, 0.25, 0.25, 0.25],
        "qqa/e": [0.2, 0.4, 0.6, 0.8],
    },
)
DPO_GREEDY = (
    {"awpnli/a": "R", "awpnli/b": "R", "awpnli/c": "R", "qqa/d": "R", "qqa/e": "W"},
    {"awpnli/a": "R", "awpnli/b": "R", "awpnli/c": "R", "qqa/d": "R", "qqa/e": "W"},
)


def write_study(root: Path) -> list[Path]:
    """Both evaluations for both seeds; the paths of their answers."""
    paths = []
    for seed in (0, 1):
        paths.append(write_evaluation(root, "sft", seed, SFT_GREEDY[seed], SFT_SAMPLES[seed], SFT_SCORES[seed]))
        paths.append(write_evaluation(root, "dpo", seed, DPO_GREEDY[seed]))
    return paths


ROWS = (
    AnswersRow(label="SFT", evaluation="sft"),
    AnswersRow(label="SFT sampled", evaluation="sft", answer="mean_sample"),
    AnswersRow(label="SFT + SC@4", evaluation="sft", answer="majority", n=4),
    AnswersRow(label="SFT + PRM BoN@2", evaluation="sft", answer="best_of_n", n=2, prm="bce"),
    AnswersRow(label="SFT + SC@4 by PRM", evaluation="sft", answer="weighted_majority", n=4, prm="bce"),
    AnswersRow(label="SFT pass@2", evaluation="sft", answer="pass", n=2),
    AnswersRow(label="DPO_x & <co>", evaluation="dpo", reported="PSPO-WRS"),
)
TABLE = AnswersTable(
    kind="answers", title="Accuracy, 100 % by hand", baseline="SFT", rows=ROWS, reported="pspo", resamples=400
)
