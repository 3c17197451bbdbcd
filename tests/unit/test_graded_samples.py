"""Sampled answers in free form, named and graded as rows; an engine that says what it is told stands in for vLLM."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

import tiny
from stepladder.generation.requests import Completion, Request
from stepladder.generation.trajectories import trajectory_rows
from stepladder.questions.judging import algebra
from stepladder.questions.mathematics.checker import process_checker
from stepladder.reasoning.tokens import encode_answer, encode_text, step_ends
from stepladder.records import TRAJECTORIES, read_records, write_records
from stepladder.supervision.rollouts import label_states

QUESTION = {
    "question_id": "q", "dataset": "gsm_plus", "fields": {"question": "How many?"}, "options": [],
    "solution": None, "demonstration": "", "prompt": "How many?",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def workers():
    yield
    process_checker().close()


def completion(text: str) -> Completion:
    ids = tuple(encode_answer(tiny.tokenizer(), text))
    return Completion(ids, (0.0,) * len(ids), "stop")


def graded(answer: str, *texts: str) -> list[dict]:
    return trajectory_rows(
        QUESTION | {"answer": answer}, [1], [completion(text) for text in texts], tiny.tokenizer(), "line"
    )


def test_equal_answers_of_one_question_have_one_name_and_fit_the_table(tmp_path):
    rows = graded("1,200", "a\n#### 1200", "#### 7", "b\n#### 7.0", "it is 1,200", "none of it")
    assert [row["answer"] for row in rows] == ["1200", "7", "7", None, None]
    assert [row["answer_flexible"] for row in rows] == ["1200", "7", "7", "1200", None]
    assert [row["correct"] for row in rows] == [True, False, False, False, False]
    assert [row["correct_flexible"] for row in rows] == [True, False, False, True, False]
    assert [(row["sample"], len(row["step_ends"])) for row in rows] == [(0, 2), (1, 1), (2, 2), (3, 1), (4, 1)]
    write_records(rows, TRAJECTORIES, tmp_path / "t")
    assert [row["answer"] for row in read_records(tmp_path / "t", TRAJECTORIES)] == ["1200", "7", "7", None, None]


def test_a_question_without_an_answer_is_right_where_that_is_said():
    rows = graded("unanswerable", "#### None", "#### 5", "#### cannot be determined")
    assert [row["correct"] for row in rows] == [True, False, True]


def test_what_algebra_decided_is_counted():
    before = sum(process_checker().verdicts.values())
    rows = graded("2\\sqrt{2}", "\\boxed{\\sqrt{8}}")
    assert rows[0]["correct"]
    assert sum(algebra()["algebra"].values()) == before + 1


@dataclass
class Told:
    """A policy whose every rollout says the next of its texts, or, where that is None, nothing at all."""

    texts: Sequence[str | None]
    tokenizer = tiny.tokenizer()
    requests: list[Request] = field(default_factory=list)

    @property
    def engine(self) -> "Told":
        return self

    def generate(self, requests, sampling, progress) -> list[list[Completion]]:
        self.requests += requests
        said = [Completion((), (), "length") if text is None else completion(text) for text in self.texts]
        return [said[: request.samples] for request in requests]


def test_rollouts_are_read_with_the_state_that_they_go_on_from(tmp_path):
    """The state ends within "#### 1,2"; "00" makes it right, and so no rollout is right by itself."""
    begun = encode_text(tiny.tokenizer(), "a\n#### 1,2")
    row = {
        "question_id": "q", "sample": 0, "prompt_ids": [1], "token_ids": [*begun, *begun],
        "step_ends": [len(begun), 2 * len(begun)], "correct": False,
    }  # fmt: skip
    spec = {"method": "monte_carlo", "trajectories": "t", "policy": "p", "rollouts": 3, "max_tokens": 72}
    job = tiny.job(tmp_path, "labels", spec, chunk=4)
    policy = Told(["00", "01", "00 "])
    labels = label_states(job, [row], {"q": QUESTION | {"answer": "1200"}}, policy, (1, 1))
    assert [(one["step"], one["rollouts"], one["successes"]) for one in labels] == [(0, 3, 2), (1, 1, 0)]
    assert [request.prompt_ids for request in policy.requests] == [(1, *begun)]


@pytest.mark.parametrize(
    ("texts", "successes"),
    [
        (["00", "00", "00"], 3),  # equal ones: the policy is sure
        (["00", "00", "01"], 2),
        ([None, "00", None], 1),  # empty ones: the state alone answers 1.2
        ([None, None, None], 0),
        (["", "00", "01"], 1),
    ],
)
def test_every_rollout_is_a_trial_the_empty_and_the_equal_ones_too(tmp_path, texts, successes):
    begun = encode_text(tiny.tokenizer(), "a\n#### 1,2")
    rows = [
        {"question_id": "q", "sample": sample, "prompt_ids": [1], "token_ids": [*begun, 5], "correct": False}
        | {"step_ends": [len(begun), len(begun) + 1]}
        for sample in range(2)
    ]
    spec = {"method": "monte_carlo", "trajectories": "t", "policy": "p", "rollouts": 3, "max_tokens": 72}
    policy = Told(texts)
    job = tiny.job(tmp_path, "labels", spec, chunk=4)
    labels = label_states(job, rows, {"q": QUESTION | {"answer": "1200"}}, policy, (1, 1))
    assert [(one["rollouts"], one["successes"]) for one in labels if not one["finished"]] == [(3, successes)] * 2
    assert [request.samples for request in policy.requests] == [3], "the same state is rolled out once"


def react(kinds: str) -> dict:
    """A trajectory whose steps are of the kinds with these first letters."""
    words = {"T": "Thought", "A": "Action", "O": "Observation"}
    text = "\n".join(f"{words[kind]} {number}: so" for number, kind in enumerate(kinds, start=1))
    ids = encode_answer(tiny.tokenizer(), text)
    text, ends = step_ends(tiny.tokenizer(), ids, "react")
    return {"question_id": "q", "sample": 0, "prompt_ids": [1], "token_ids": ids, "step_ends": ends, "text": text,
            "correct": True}  # fmt: skip


@pytest.mark.parametrize(
    ("states", "steps"),
    [
        (None, [0, 1, 2, 3, 4, 5]),
        ({"kinds": ["Thought", "Observation"]}, [0, 2, 3, 5]),
        ({"kinds": ["Action"], "start": 0.4}, [4, 5]),
        ({"start": 0.2, "end": 0.8}, [1, 2, 3, 5]),
        ({"least_steps": 7}, [5]),
    ],
)
def test_labels_are_of_the_chosen_states_and_of_the_end(tmp_path, states, steps):
    spec = {"method": "monte_carlo", "trajectories": "t", "policy": "p", "rollouts": 2, "max_tokens": 99}
    policy = Told(["00", "01"])
    job = tiny.job(tmp_path, "labels", spec | {"states": states}, chunk=4)
    row = react("TATOAA")
    labels = label_states(job, [row], {"q": QUESTION | {"answer": "1200"}}, policy, (1, 1))
    assert [label["step"] for label in labels] == steps and labels[-1]["finished"] and labels[-1]["successes"] == 1
    ends = [len(request.prompt_ids) - 1 for request in policy.requests]
    assert ends == [row["step_ends"][step] for step in steps[:-1]], "no other state is rolled out"
