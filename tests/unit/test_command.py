"""The command: answers in, step scores and best answers out; one line for whatever is wrong."""

import json
import random
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tiny
from stepladder.command.answers import question_prompt
from stepladder.command.main import main
from stepladder.command.score import best_answers
from stepladder.errors import StepladderError
from stepladder.questions.prompts import build_prompt
from stepladder.questions.question import Question
from stepladder.reasoning.tokens import decode, encode_answer, encode_prompt, step_ends
from stepladder.records import SCORES, TRAJECTORIES, read_records, write_records
from stepladder.rewards.model import open_prm
from stepladder.rewards.scores import sigmoid

SEVEN, EIGHT = "1. 3 + 4 = 7\n#### 7", "1. 3 + 4 = 8\n#### 8"
LINES = [
    {"question": "What is 3 + 4?", "responses": [SEVEN, EIGHT, SEVEN]},
    {"prompt": "3 > 2 ?", "responses": ["yes"], "id": "ignored"},
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prm")
    model = tiny.prm(tiny.checkpoint(folder / "backbone"))
    torch.manual_seed(1)
    torch.nn.init.normal_(model.head.weight)
    model.save(folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture
def answers(tmp_path) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(*arguments) -> int:
    return main(["score", *map(str, arguments)])


def trajectories(path: Path) -> list[dict]:
    rng, rows = random.Random(2), []
    for i in range(6):
        text = "\n".join(f"{k}. {rng.randrange(99)} + 1" for k in range(1, rng.randint(2, 5)))
        ids = encode_answer(tiny.tokenizer(), text)
        rows.append({
            "question_id": f"q{i // 3}", "sample": i % 3, "dataset": "qqa", "logprobs": [], "finish_reason": "stop",
            "prompt_ids": encode_prompt(tiny.tokenizer(), "What?\n"), "token_ids": ids, "text": text,
            "step_ends": step_ends(tiny.tokenizer(), ids, "line")[1], "correct": True, "correct_flexible": True,
        })  # fmt: skip
    write_records(rows, TRAJECTORIES, path)
    return rows


def test_texts_are_scored_behind_the_prompt_of_training(checkpoint, answers, tmp_path, capsys):
    assert run("--prm", checkpoint, "--input", answers, "--output", tmp_path / "scores.jsonl") == 0
    rows = read(tmp_path / "scores.jsonl")
    assert [(row["question_id"], row["sample"]) for row in rows] == [("1", 0), ("1", 1), ("1", 2), ("2", 0)]
    scaffold = build_prompt(Question("qqa", {"question": "What is 3 + 4?"}, (), 0), instruction=False)
    assert question_prompt("What is 3 + 4?") == scaffold
    prompts = [scaffold] * 3 + ["3 > 2 ?"]
    texts = [text for line in LINES for text in line["responses"]]
    prm = open_prm(checkpoint)
    for row, prompt, text in zip(rows, prompts, texts, strict=True):
        ids = encode_answer(tiny.tokenizer(), text)
        _, ends = step_ends(tiny.tokenizer(), ids, "line")
        trajectory = {"prompt_ids": encode_prompt(tiny.tokenizer(), prompt), "token_ids": ids, "step_ends": ends}
        (expected,) = prm.score([trajectory])
        assert row["step_logits"] == pytest.approx(expected, abs=1e-5)
        assert row["step_scores"] == pytest.approx([sigmoid(logit) for logit in expected], abs=1e-6)
        assert row["score"] == pytest.approx(min(row["step_scores"]))
    told = capsys.readouterr()
    assert "4 answers with 7 steps" in told.out and "answers/s" in told.out
    assert "score [####################] 3/3" in told.err  # two of them are equal


def test_trajectories_are_scored_by_their_ids(checkpoint, tmp_path):
    rows = trajectories(tmp_path / "trajectories.parquet")
    arguments = ("--prm", checkpoint, "--input", tmp_path / "trajectories.parquet", "--output")
    assert run(*arguments, tmp_path / "scores.parquet") == 0
    found = read_records(tmp_path / "scores.parquet", SCORES)
    expected = [logit for steps in open_prm(checkpoint).score(rows) for logit in steps]
    assert [row["logit"] for row in found] == pytest.approx(expected, abs=1e-5)
    keys = [(row["question_id"], row["sample"], k) for row in rows for k in range(len(row["step_ends"]))]
    assert [(row["question_id"], row["sample"], row["step"]) for row in found] == keys


@pytest.mark.parametrize("how", ["min", "last", "product", "geometric_mean", "mean"])
def test_the_best_answer_to_each_question(checkpoint, answers, tmp_path, capsys, how):
    best, output = tmp_path / "best.jsonl", tmp_path / "scores.jsonl"
    arguments = ("--prm", checkpoint, "--input", answers, "--output", output, "--best-of-n", best)
    assert run(*arguments, "--accumulate", how) == 0
    first, second = read(best)
    scores = [row["score"] for row in read(output)]
    place = max(range(3), key=lambda i: (scores[i] >= max(scores[:3]) - 1e-6, -i))
    assert (first["question_id"], first["sample"], first["candidates"]) == ("1", place, 3)
    assert first["response"] == LINES[0]["responses"][place]
    assert first["tied"] == (1 if place == 1 else 2), "answers 0 and 2 are the same"
    assert (second["sample"], second["tied"], second["response"]) == (0, 1, "yes")
    assert f"2 best answers by {how}; in {first['tied'] - 1} questions several tie" in capsys.readouterr().out


def test_best_answers_by_hand():
    rows = [{"question_id": q, "sample": s, "text": f"{q}{s}"} for q, s in (("b", 0), ("a", 0), ("b", 1), ("a", 1))]
    best = best_answers(rows, [[1.0, -1.0], [], [0.0], [-9.0]], "min")
    assert [(row["question_id"], row["sample"], row["tied"]) for row in best] == [("b", 1, 1), ("a", 1, 1)]
    assert best[0]["score"] == 0.5
    best = best_answers(rows, [[50.0], [1.0], [60.0], [2.0]], "mean")
    assert [(row["sample"], row["tied"]) for row in best] == [(0, 2), (1, 1)]


def test_an_answer_that_is_too_long_is_left_out_and_counted(checkpoint, tmp_path, capsys):
    prm, source = open_prm(checkpoint), tmp_path / "answers.jsonl"
    # The prompt has some tokens; an end-of-sequence token follows the answer's lines.
    ((reading,),) = prm.read_texts([("3 > 2 ?", "")])
    lines = (tiny.CONTEXT - len(reading.ids)) // 2
    ((fitting,), (longer,)) = prm.read_texts([("3 > 2 ?", "7\n" * count) for count in (lines, lines + 1)])
    assert tiny.CONTEXT - 1 <= len(fitting.ids) <= tiny.CONTEXT < len(longer.ids)
    row = {"prompt": "3 > 2 ?", "responses": ["7\n" * (lines + 1), "7\n" * lines, "yes"]}
    source.write_text("".join(json.dumps(each) + "\n" for each in (row, row | {"responses": ["8\n" * 2 * lines]})))
    output, best = tmp_path / "scores.jsonl", tmp_path / "best.jsonl"
    assert run("--prm", checkpoint, "--input", source, "--output", output, "--best-of-n", best) == 0
    assert [(row["question_id"], row["sample"]) for row in read(output)] == [("1", 1), ("1", 2)]
    assert [(row["question_id"], row["candidates"]) for row in read(best)] == [("1", 2)]
    assert f"2 answers are longer than the {tiny.CONTEXT} tokens it reads: left out" in capsys.readouterr().out
    with pytest.raises(StepladderError, match=rf"an answer has {len(longer.ids)} tokens with its prompt, and the PRM"):
        prm.score_texts([("3 > 2 ?", text) for text in row["responses"]])
    source.write_text(json.dumps(row | {"responses": row["responses"][:1]}))
    assert run("--prm", checkpoint, "--input", source, "--output", output) == 1
    assert "every answer is longer than the 128 tokens that the PRM reads" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"question": "a", "responses": ["b"]}\n{"question": 3, "responses": ["b"]}', "row 2: needs one text"),
        ('{"question": "a", "prompt": "a", "responses": ["b"]}', "row 1: needs one text"),
        ('{"responses": ["b"]}', "row 1: needs one text"),
        ('{"question": "a", "responses": []}', "row 1: 'responses' must be a list of at least one text"),
        ('{"question": "a", "responses": ["b", null]}', "row 1: 'responses' must be"),
        ('{"question": "a", "responses": ["\\ud800"]}', "row 1: 'responses' must be"),
        ('{"question": "a"', "row 1: not JSON"),
        ("[1]", "row 1: not a JSON object"),
        ("", "holds no answer"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_bad_input_is_one_line_that_names_its_place(checkpoint, tmp_path, capsys, content, said):
    path = tmp_path / "answers.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run("--prm", checkpoint, "--input", path, "--output", tmp_path / "scores.jsonl") == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and said in told[0] and str(path) in told[0]
    assert not (tmp_path / "scores.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--input": "none.jsonl"}, "no such file"),
        ({"--input": "answers.csv"}, "give a .parquet of trajectories or a .jsonl"),
        ({"--output": "scores.csv"}, "name a .parquet or a .jsonl file"),
        ({"--output": "answers.jsonl"}, "must be different files"),
        ({"--best-of-n": "best.parquet"}, "name a .jsonl file"),
        ({"--prm": "nowhere"}, "no such checkpoint"),
    ],
)
def test_wrong_places_are_one_line(checkpoint, answers, tmp_path, capsys, monkeypatch, change, said):
    monkeypatch.chdir(tmp_path)
    given = {"--prm": checkpoint, "--input": "answers.jsonl", "--output": "scores.jsonl"} | change
    before = answers.read_bytes()
    assert run(*(part for pair in given.items() for part in pair)) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and said in told[0]
    assert answers.read_bytes() == before


def test_ids_of_another_tokenizer_are_refused_unless_it_is_named(checkpoint, tmp_path, capsys):
    rows = trajectories(tmp_path / "trajectories.parquet")
    turned = [row | {"token_ids": [*row["token_ids"][1:-1], 7, row["token_ids"][-1]]} for row in rows]
    assert decode(tiny.tokenizer(), turned[0]["token_ids"]) != turned[0]["text"]
    write_records(turned, TRAJECTORIES, tmp_path / "others.parquet")
    arguments = ("--prm", checkpoint, "--output", tmp_path / "scores.parquet", "--input")
    assert run(*arguments, tmp_path / "others.parquet") == 1
    assert "row 0: its token ids do not spell its text" in capsys.readouterr().err
    assert run(*arguments, tmp_path / "trajectories.parquet", "--tokenizer", checkpoint.parent / "backbone") == 0


def test_the_command_as_it_is_installed(checkpoint, answers, tmp_path):
    command = [str(Path(sys.executable).with_name("stepladder")), "score", "--prm", str(checkpoint)]
    command += ["--input", str(answers), "--output", str(tmp_path / "scores.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "answers/s" in done.stdout and len(read_records(tmp_path / "scores.parquet", SCORES)) == 7


def test_asking_for_help_loads_nothing_heavy():
    code = "import sys; from stepladder.command.main import build_parser; build_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "stepladder" in loaded and not loaded & {"torch", "transformers", "numpy", "pyarrow", "tokenizers"}


def test_the_lines_in_the_readme(checkpoint, tmp_path, root):
    (code,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    code, places = re.subn(r"results/\S*/checkpoint", str(checkpoint), code)
    assert places == 1 and len(code.splitlines()) <= 12
    (tmp_path / "readme.py").write_text(code, encoding="utf-8")
    found = runpy.run_path(str(tmp_path / "readme.py"))
    answers, steps = found["answers"], found["steps"]
    assert [len(each) for each in steps] == [answer.count("\n") + 1 for answer in answers] == [2, 2]
    assert all(0 < step < 1 for each in steps for step in each)
    assert found["best"] == max(zip(answers, steps, strict=True), key=lambda each: min(each[1]))
