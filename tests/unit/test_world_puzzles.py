"""The family in the shape of LogiQA: valid inference, a fallacy, and right answers by better and worse ways."""

import random
import re
from collections import Counter
from functools import cache
from hashlib import blake2b
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from study_files import write

from stepladder.policies.checkpoints import make_checkpoint
from stepladder.policies.language import drill_sequences
from stepladder.questions.collect import collect
from stepladder.questions.judging import judge, right_as_published
from stepladder.questions.prompts import build_prompt
from stepladder.questions.question import Question
from stepladder.questions.world import Difficulty, drill_rows, drills, first_wrong_step, generate_questions
from stepladder.questions.world.puzzles import WORDS
from stepladder.reasoning.steps import split_steps
from stepladder.reasoning.tokens import encode_answer, encode_prompt, encode_text, load_tokenizer
from stepladder.study.__main__ import main
from stepladder.study.specs.models import NewModel
from stepladder.study.specs.questions import Questions

LINE = re.compile(r"(Thought|Action|Observation) (\d+): (.+)")


@cache
def puzzles(count: int = 2000) -> list[Question]:
    return generate_questions("puzzles", count, 3)


@cache
def kinds() -> dict[str, list[Question]]:
    """Questions by what their demonstration is; each kind is told by its text alone."""
    found: dict[str, list[Question]] = {"gold": [], "hasty": [], "leap": [], "turn": []}
    for question in puzzles():
        gold, shown = question.solution.split("\n"), question.demonstration.split("\n")
        if shown == gold:
            found["gold"].append(question)
        elif len(shown) == len(gold) + 3 and ": but we " in shown[3]:
            found["turn"].append(question)
        else:
            found["leap" if len(shown) == len(gold) - 2 and shown[:-2] == gold[:-4] else "hasty"].append(question)
    return found


def rules_of(question: Question) -> list[tuple[str, str]]:
    told = question.fields["context"].removeprefix("causes and effects : ").split(" . ")[0]
    return [tuple(rule.split()) for rule in told.split(" , ")]


def things(question: Question) -> list[str]:
    return [option.removesuffix(" .") for option in question.options]


def fact_of(question: Question) -> tuple[bool, str]:
    verb, word = re.search(r"we (have|lack) (\w+) \.$", question.fields["context"]).groups()
    return verb == "lack", word


def test_exactly_one_option_is_true_in_every_world_where_rules_and_fact_hold():
    for question in puzzles()[:150]:
        rules, (lacking, fact) = rules_of(question), fact_of(question)
        words = sorted({word for rule in rules for word in rule})
        worlds = np.array(list(product((False, True), repeat=len(words))))
        there = dict(zip(words, worlds.T, strict=True))
        allowed = there[fact] != lacking
        for left, right in rules:
            allowed = allowed & (~there[left] | there[right])
        assert allowed.any()
        must = [bool((there[thing] != lacking)[allowed].all()) for thing in things(question)]
        assert [index for index, forced in enumerate(must) if forced] == [question.answer]


def test_chains_are_numbered_lines_of_all_three_kinds_cut_one_by_one():
    for question in puzzles():
        for chain in (question.solution, question.demonstration):
            lines = [LINE.fullmatch(line).groups() for line in chain.split("\n")]
            assert [int(number) for _, number, _ in lines] == list(range(1, len(lines) + 1))
            assert [chain[span.start : span.end].strip("\n") for span in split_steps(chain, "react")] == chain.split(
                "\n"
            )
        assert {
            kind for kind, _, _ in map(lambda line: LINE.fullmatch(line).groups(), question.solution.split("\n"))
        } == {
            "Thought",
            "Action",
            "Observation",
        }


def test_gold_lines_follow_from_the_question_and_the_line_before():
    for question in puzzles():
        rules, (lacking, fact) = rules_of(question), fact_of(question)
        following = {right: left for left, right in rules} if lacking else dict(rules)
        bodies = [LINE.fullmatch(line)[3] for line in question.solution.split("\n")]
        assert bodies[0] == f"we {'lack' if lacking else 'have'} {fact} ."
        for look, seen in zip(bodies[1:-2:2], bodies[2:-2:2], strict=True):
            assert look == f"{'trace' if lacking else 'follow'} {fact} ."
            assert seen == f"{'before' if lacking else 'after'} {fact} {following[fact]} ."
            fact = following[fact]
        assert fact not in following and things(question)[question.answer] == fact
        assert bodies[-2] == f"option {fact} {'ABCD'[question.answer]}"


def test_lengths_vary_and_do_not_tell_the_answer():
    lengths = Counter(question.solution.count("\n") + 1 for question in puzzles())
    assert set(lengths) == {5, 7} and min(lengths.values()) > 0.4 * len(puzzles())
    assert {question.demonstration.count("\n") + 1 for question in puzzles()} == {3, 5, 7, 8}
    places = Counter(question.answer for question in puzzles())
    assert all(abs(places[place] / len(puzzles()) - 0.25) < 0.04 for place in range(4))


def test_hasty_chains_read_the_rules_the_wrong_way_and_tempt_where_something_is_lacking():
    hasty = kinds()["hasty"]
    assert 0.35 < len(hasty) / len(puzzles()) < 0.55
    shares = [
        np.mean([question in hasty for question in puzzles() if fact_of(question)[0] == lacking])
        for lacking in (False, True)
    ]
    assert shares[0] < 0.35 < 0.6 < shares[1]
    for question in hasty:
        rules, (lacking, fact) = rules_of(question), fact_of(question)
        backwards = dict(rules) if lacking else {right: left for left, right in rules}
        while fact in backwards:
            fact = backwards[fact]
        judged = judge([question.demonstration], question)[0]
        assert not judged.correct and things(question)[int(judged.answer) - 1] == fact
        assert first_wrong_step(question, question.demonstration) == 1


def test_right_demonstrations_are_of_different_length_and_quality():
    found = kinds()
    right = len(puzzles()) - len(found["hasty"])
    assert 0.1 < len(found["leap"]) / right < 0.2
    assert 0.05 < len(found["turn"]) / right < 0.15
    for kind in ("gold", "leap", "turn"):
        assert all(judge([q.demonstration], q)[0].correct for q in found[kind])
    for question in found["leap"]:
        assert first_wrong_step(question, question.demonstration) == question.solution.count("\n") - 3
    for question in found["turn"]:
        lines, gold = question.demonstration.split("\n"), question.solution.split("\n")
        assert first_wrong_step(question, question.demonstration) == 1
        assert [line.split(": ")[1] for line in lines[4:]] == [line.split(": ")[1] for line in gold[1:]]


def test_every_rule_of_grading_reads_the_gold_chain():
    for question in puzzles()[:200]:
        judged = judge([question.solution, question.demonstration], question)
        assert judged[0].correct and judged[0].correct_flexible
        assert judged[1].answer is not None
        assert right_as_published(question.solution, question)


@pytest.mark.parametrize("operations", [2, 3, 4])
def test_difficulty_reaches_the_chains(operations):
    questions = generate_questions("puzzles", 300, 1, Difficulty(operations))
    assert max(question.solution.count("\n") + 1 for question in questions) == 2 * operations + 3


def test_lookups_are_ends_of_lines_of_chains_and_true_where_they_look():
    seen = set()
    for row in drill_rows(random.Random(0), 200, ["puzzles"]):
        assert len(row) == 8
        text, _, first = row[0][0].rpartition("\n")
        options = {word: letter for letter, word in re.findall(r"^([A-D])\. (\w+) \.$", text, re.MULTILINE)}
        rules = re.findall(r"(\w+) (\w+) [,.]", text.removeprefix("causes and effects : "))
        true = {f"option {word} {letter}" for word, letter in options.items()}
        true |= {line for left, right in rules for line in (f"after {left} {right} ", f"before {right} {left} ")}
        assert bool(options) == (not text.startswith("causes"))
        for prompt, result in [(first, row[0][1]), *row[1:]]:
            assert prompt + result in true and len(result.split()) == 1
            seen.add(prompt + result)
    steps = {line.partition(": ")[2].removesuffix(".") for q in puzzles() for line in q.solution.split("\n")}
    assert sum(line in steps for line in seen) > 0.9 * len(seen)


def test_sets_choose_the_drills():
    of_numbers = [pair for row in drill_rows(random.Random(5), 20, ["awpnli", "sums"]) for pair in row]
    assert of_numbers == drills(random.Random(5), 160)
    both = drill_rows(random.Random(5), 20, ["awpnli", "puzzles"])
    assert ["\n" in row[0][0] for row in both] == [False] * 10 + [True] * 10
    assert [pair for row in both[:10] for pair in row] == drills(random.Random(5), 80)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """Those of a model without the puzzles, with them alone, and with all."""
    found = []
    for sets in (None, ["puzzles"], ["awpnli", "newsnli", "redditnli", "rte_quant", "stresstest", "qqa", "puzzles"]):
        spec = NewModel.model_validate({"source": "new", **({"sets": sets} if sets else {})})
        folder = tmp_path_factory.mktemp("model") / "checkpoint"
        make_checkpoint(spec, 0, Path("."), folder)
        found.append(load_tokenizer(folder))
    return found


def test_the_tokenizer_of_older_studies_is_what_it_was(tokenizers):
    text = tokenizers[0].backend_tokenizer.to_str().encode()
    assert blake2b(text, digest_size=6).hexdigest() == "821444f56ad7"


def test_words_and_scaffold_are_single_tokens_where_the_tokenizer_knows_the_set(tokenizers):
    for tokenizer in tokenizers[1:]:
        for word in (
            *(f"{word} " for word in WORDS),
            "Observation ",
            "Action ",
            "Thought ",
            "Finish",
            "after ",
            "before ",
            "follow ",
            "trace ",
            "lack ",
        ):
            assert len(encode_text(tokenizer, word)) == 1
        for question in puzzles()[:200]:
            prompt = encode_prompt(tokenizer, build_prompt(question, False))
            chain = encode_answer(tokenizer, question.demonstration)
            assert [*prompt, *chain[:-1]] == encode_text(
                tokenizer, build_prompt(question, False) + question.demonstration
            )
            assert len(prompt) < 96 and len(chain) <= 72
        for row in drill_rows(random.Random(1), 50, ["puzzles"]):
            for text, result in row:
                assert encode_text(tokenizer, text) + encode_text(tokenizer, result) == encode_text(
                    tokenizer, text + result
                )
        assert all(row.targets == 8 for row in drill_sequences(tokenizer, 5, 0, ["puzzles"]))


def test_a_question_set_holds_them_in_the_form_of_passages():
    spec = Questions(source="generated", sets=("puzzles",), splits={"sft": 200, "test": 50}, instruction=True)
    rows, report, _ = collect(spec, Path("none"), Path("none"))
    assert report["puzzles"]["overlap"]["sft/test"]["near"] == 0
    assert all("Finish[The answer is A.]" in row["prompt"] and "\nD. " in row["prompt"] for row in rows)


@pytest.mark.parametrize(
    ("source", "fault"), [("generated", None), ("local", "nobody has published puzzles: take source: generated")]
)
def test_it_is_had_from_the_generated_world_alone(source, fault, tmp_path, capsys):
    questions = {"source": source, "sets": ["puzzles"], "splits": {"test": 5}}
    study = {"study": "a", "step_style": "react", "data_dir": str(tmp_path), "questions": {"q": questions}}
    assert main(["check", str(write(tmp_path / "study.yaml", study))]) == (0 if fault is None else 1)
    assert fault is None or fault in capsys.readouterr().err
