"""Options in another order: the same question, the same answers, other places."""

import importlib.util
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from stepladder.errors import StepladderError
from stepladder.generation.requests import Completion
from stepladder.generation.trajectories import prompts_of
from stepladder.questions.collect import DATASETS as LOADED
from stepladder.questions.collect import question_of
from stepladder.questions.judging import gold_answer, judge
from stepladder.questions.orders import as_asked, order_of, reordered, restored
from stepladder.questions.prompts import ENDINGS, answer_line, build_prompt
from stepladder.questions.question import Question
from stepladder.questions.react import finish_line
from stepladder.records import ANSWERS, QUESTIONS, read_records, write_records
from stepladder.study.fields import OPTION_SETS, OptionOrder

ORDERS = OptionOrder.__args__
PASSAGE = Question(
    "logiqa2", {"context": "All cats sleep.", "question": "What follows?"}, ("Tom", "Ann", "Sam", "None"), 1
)
STATEMENTS = {"statement1": "Tim has 350", "statement2": "Tim has less"}
LABELS = Question("stresstest", STATEMENTS, ("Entailment", "contradiction", "neutral"), 0)
orders = st.integers(1, 6).flatmap(lambda n: st.permutations(range(n)))


@settings(deadline=None)
@given(orders)
def test_there_and_back_is_where_it_was(order):
    options = tuple(f"text {k}" for k in range(len(order)))
    for answer in range(len(order)):
        question = Question("qqa", {"question": "?"}, options, answer)
        shown = reordered(question, order)
        assert shown.options[shown.answer] == options[answer]
        assert restored(str(shown.answer + 1), order) == str(answer + 1)
    assert restored(None, order) is None
    back = [order.index(k) for k in range(len(order))]
    assert reordered(reordered(question, order), back) == question


@pytest.mark.parametrize("question", [PASSAGE, replace(PASSAGE, dataset="reclor", answer=3), LABELS])
def test_what_a_chain_says_of_the_shown_options_is_graded_as_if_it_had_said_it_of_the_given_ones(question):
    for order in permutations(range(len(question.options))):
        shown = reordered(question, order)
        for place, option in enumerate(order):
            said = finish_line(1, place) if question is not LABELS else answer_line(place)
            (judgement,) = judge([said], shown)
            assert restored(judgement.answer, order) == str(option + 1)
            assert judgement.correct == (str(option + 1) == gold_answer(question))


def test_an_order_is_of_the_question_alone():
    assert order_of("q", 4, "as_given") == (0, 1, 2, 3) and order_of("q", 4, "reversed") == (3, 2, 1, 0)
    keys = [f"q{number}" for number in range(4000)]
    shuffled = {key: order_of(key, 4, "shuffled") for key in keys}
    assert {key: order_of(key, 4, "shuffled") for key in keys[::-1]} == shuffled
    assert order_of("q0", 4, "shuffled") == (2, 3, 0, 1), "the same in every process and version"
    counts = [list(shuffled.values()).count(order) for order in permutations(range(4))]
    assert min(counts) > 120 and max(counts) < 220, "each of 24 about 167 times"
    assert {order_of("q", 0, how) for how in ORDERS} == {()}


@pytest.mark.parametrize("instruction", [True, False])
@pytest.mark.parametrize("question", [PASSAGE, LABELS])
def test_the_prompt_is_that_of_the_shown_question_with_or_without_the_instruction(question, instruction):
    row = {
        "question_id": "q", "dataset": question.dataset, "fields": question.fields, "options": list(question.options),
        "answer": str(question.answer + 1), "prompt": build_prompt(question, instruction), "solution": "1. x",
        "demonstration": "1. y",
    }  # fmt: skip
    assert as_asked(row, range(len(question.options))) == row
    order = order_of("q", len(question.options), "reversed")
    asked = as_asked(row, order)
    assert asked["question_id"] == "q" and question_of(asked) == reordered(question, order)
    assert asked["prompt"] == build_prompt(question_of(asked), instruction) != row["prompt"]
    assert sorted(asked["prompt"]) == sorted(row["prompt"]), "nothing but the order"
    with pytest.raises(StepladderError, match="question q: its prompt is of another version"):
        as_asked(row | {"prompt": "x" + row["prompt"]}, order)


def test_questions_without_options_are_asked_as_they_are():
    row = {"question_id": "q", "options": [], "answer": "7", "prompt": "How many?"}
    assert as_asked(row, order_of("q", 0, "shuffled")) is row
    assert restored("7", ()) == "7" and reordered(Question("gsm8k", {}, (), "7"), ()).answer == "7"


def test_the_sets_with_options_are_known():
    assert set(OPTION_SETS) == set(LOADED) - set(ENDINGS)


class Stubborn:
    """A policy that names the first option whatever it is asked, and remembers the prompts."""

    def __init__(self, *_):
        self.tokenizer, self.asked, self.engine = tiny.tokenizer(), [], self

    def generate(self, requests, sampling, progress):
        said = self.tokenizer(answer_line(0))["input_ids"]
        self.asked += [request.prompt_ids for request in requests]
        done = Completion(tuple(said), (0.0,) * len(said), "stop")
        return [[done] * request.samples for request in requests]

    def close(self):
        pass


@pytest.mark.parametrize("how", ORDERS)
def test_an_evaluation_keeps_what_was_answered_and_where_it_stood(tmp_path, root, monkeypatch, how):
    spec = importlib.util.spec_from_file_location("evaluate", root / "workflow/scripts/evaluate.py")
    evaluate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(evaluate)
    policy, scored = Stubborn(), []
    monkeypatch.setattr(evaluate, "PolicyEngine", lambda *_: policy)
    monkeypatch.setattr(evaluate, "load_prm", lambda *_: None)

    def score(job, prm, trajectories, folder):
        scored.extend(trajectories)
        return [[0.5] * len(row["step_ends"]) for row in trajectories]

    monkeypatch.setattr(evaluate, "step_probabilities", score)
    questions = tiny.questions(12, ("test",))
    write_records(questions, QUESTIONS, tmp_path / "questions.parquet")
    node = {"method": "sampled", "policy": "p", "questions": "q", "split": "test", "samples": 2, "prms": ["prm"]}
    inputs = {"policy": tmp_path / "p", "prms": tmp_path / "prm", "questions": tmp_path / "questions.parquet"}
    evaluate.main(tiny.job(tmp_path, "evaluations", node | {"option_order": how}, inputs, chunk=5))
    rows = read_records(tmp_path / "answers.parquet", ANSWERS)
    given = {row["question_id"]: row for row in questions}
    assert len(rows) == 3 * len(questions) and {row["question_id"] for row in rows} == given.keys()
    moved = 0
    for row in rows:
        asked = given[row["question_id"]]
        order = [option + 1 for option in order_of(row["question_id"], len(asked["options"]), how)]
        assert row["option_order"] == order and row["gold"] == asked["answer"]
        assert row["answer"] == row["answer_flexible"] == str(order[0]), "what stood at the first place"
        assert row["correct"] == row["correct_as_published"] == (str(order[0]) == asked["answer"])
        moved += order[0] != 1
    assert (moved == 0) == (how == "as_given")
    shown = [as_asked(row, order_of(row["question_id"], len(row["options"]), how))["prompt"] for row in questions]
    expected = set(
        prompts_of(policy.tokenizer, [{"question_id": prompt, "prompt": prompt} for prompt in shown]).values()
    )
    assert set(policy.asked) == expected == {tuple(row["prompt_ids"]) for row in scored}
