"""Whether two sets of questions share questions, and splits that cannot.

Texts are compared as words: case, punctuation and blanks do not count, numbers do ("1,000" is "1000"), since
two questions that differ in a number only are two questions.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from stepladder.errors import StepladderError
from stepladder.questions.identity import question_id
from stepladder.questions.question import Question

NGRAM = 8
NEAR = 0.5
LONG = 4
EXAMPLES = 10
_WORD = re.compile(r"[0-9]+(?:[.,][0-9]+)*|[^\W0-9_]+")


@dataclass(frozen=True)
class OverlapReport:
    """What two sets of questions share. A leak is an exact match or a near match.

    Attributes:
        exact: number of questions of the second set that have the words of a question of the first, in order.
        near: number of further ones that have the numbers and most n-grams of a question of the first.
        shared_premises: number of questions of the second set whose statement1 is the statement1 of one of
            the first; no leak by itself, since short premises recur in generated questions.
        share: (exact + near) / size of the second set; 0 where that is empty.
        examples: up to 10 pairs of question ids, (first set, second set), of exact and near matches.
    """

    exact: int
    near: int
    shared_premises: int
    share: float
    examples: tuple[tuple[str, str], ...]


def overlap(questions_a: Sequence[Question], questions_b: Sequence[Question], n: int = NGRAM) -> OverlapReport:
    """Which questions of the second set (say, the test set) occur in the first (the training set).

    Two questions match nearly when they hold the same numbers, in any order, and share at least half of the
    n-grams of the shorter one (fields and options), which must be at least 4 n words long. Half, because one
    changed word breaks n of them: two changed words leave half of a text of about 40 words. The numbers,
    because questions made from one template share most of their words and are still different questions. The
    length, because in a short question one word ("over" for "under") makes another question; a short question
    can only match exactly.

    Args:
        n: words in an n-gram.
    """
    by_words = {_question_words(question): position for position, question in enumerate(questions_a)}
    matches = [by_words.get(_question_words(question)) for question in questions_b]
    exact = {position: match for position, match in enumerate(matches) if match is not None}
    near = {b: a for a, b in _near_pairs(questions_a, questions_b, n) if b not in exact}
    premises = {_premise(question) for question in questions_a} - {None}
    examples = [*exact.items(), *near.items()][:EXAMPLES]
    return OverlapReport(
        exact=len(exact),
        near=len(near),
        shared_premises=sum(_premise(question) in premises for question in questions_b),
        share=(len(exact) + len(near)) / max(len(questions_b), 1),
        examples=tuple((question_id(questions_a[a]), question_id(questions_b[b])) for b, a in examples),
    )


def split_questions(
    questions: Sequence[Question], sizes: dict[str, int | float], seed: int
) -> dict[str, list[Question]]:
    """Splits that share no question, no premise and no near match, made by hash.

    The same questions give the same splits in whatever order they come. Questions of one group stay together:
    equal texts, near matches, and statement pairs where the premise of one is a statement of the other, over
    any number of links. EQUATE needs this: its pairs come in versions of one premise, and in both directions.

    Args:
        sizes: for every split a number of questions, which is met exactly, or for every split a fraction,
            which is met about, since a group falls into it as a whole, by its hash. Splits are filled in the
            order of their names, so the members of "test" do not depend on the size of "train".
        seed: another seed gives another split.

    Raises:
        StepladderError: when sizes are mixed, not positive, or more than there are questions.
    """
    by_id = {question_id(question): question for question in questions}
    ids = sorted(by_id)
    members = defaultdict(list)
    for key, group in zip(ids, _groups([by_id[key] for key in ids]), strict=True):
        members[group].append(key)
    groups = sorted(members.values(), key=lambda keys: _hash(keys[0], seed))
    if all(type(size) is int and size > 0 for size in sizes.values()):
        chosen = _by_count(groups, sizes)
    elif all(type(size) is float and size > 0 for size in sizes.values()) and sum(sizes.values()) < 1 + 1e-9:
        chosen = _by_fraction(groups, sizes, seed)
    else:
        raise StepladderError(
            f"split sizes {sizes}: give every split a whole number of questions above 0, or every split a "
            "fraction above 0.0, together at most 1.0"
        )
    return {name: [by_id[key] for key in chosen[name]] for name in sizes}


def _by_fraction(groups: list[list[str]], sizes: dict[str, float], seed: int) -> dict[str, list[str]]:
    chosen: dict[str, list[str]] = {name: [] for name in sizes}
    for keys in groups:
        place = _hash(keys[0], seed) / 2**64
        for name in sorted(sizes):
            place -= sizes[name]
            if place < 0:
                chosen[name] += keys
                break
    return chosen


def _by_count(groups: list[list[str]], sizes: dict[str, int]) -> dict[str, list[str]]:
    chosen: dict[str, list[str]] = {}
    for name in sorted(sizes):
        taken: list[str] = []
        left = []
        for keys in groups:
            if len(taken) + len(keys) <= sizes[name]:
                taken += keys
            else:
                left.append(keys)
        # What is still missing is part of one larger group, whose other members then belong to no split.
        if len(taken) < sizes[name] and left:
            taken += left.pop(0)[: sizes[name] - len(taken)]
        if len(taken) < sizes[name]:
            raise StepladderError(
                f"split {name!r} wants {sizes[name]} questions and only {len(taken)} are left (all splits "
                f"together want {sum(sizes.values())}, and related questions stay together); ask for fewer"
            )
        chosen[name], groups = taken, left
    return chosen


def _groups(questions: list[Question]) -> list[int]:
    """For every question the position of the one that stands for its group."""
    parent = list(range(len(questions)))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    by_words: dict[tuple[str, ...], int] = {}
    by_premise: dict[tuple[str, ...], int] = {}
    for position, question in enumerate(questions):
        parent[root(position)] = root(by_words.setdefault(_question_words(question), position))
        premise = _premise(question)
        if premise is not None:
            parent[root(position)] = root(by_premise.setdefault(premise, position))
    for position, question in enumerate(questions):
        hypothesis = words_of(question.fields.get("statement2", ""))
        parent[root(position)] = root(by_premise.get(hypothesis, position))
    for first, second in _near_pairs(questions, questions, NGRAM):
        parent[root(second)] = root(first)
    return [root(position) for position in range(len(questions))]


def _near_pairs(questions_a: Sequence[Question], questions_b: Sequence[Question], n: int) -> Iterator[tuple[int, int]]:
    """Positions (in the first set, in the second set) of the pairs that match nearly."""
    ngrams_a = [_ngrams(question, n) for question in questions_a]
    holders = defaultdict(list)
    for position, ngrams in enumerate(ngrams_a):
        for ngram in ngrams:
            holders[ngram].append(position)
    for position_b, question in enumerate(questions_b):
        ngrams_b = _ngrams(question, n)
        shared = Counter(position for ngram in ngrams_b for position in holders.get(ngram, ()))
        for position_a, count in shared.items():
            if count >= NEAR * min(len(ngrams_a[position_a]), len(ngrams_b)):
                yield position_a, position_b


def _ngrams(question: Question, n: int) -> set[tuple[str, ...]]:
    """The n-grams of a long question, each with all its numbers: other numbers make other n-grams."""
    words = _question_words(question)
    if len(words) < LONG * n:
        return set()
    numbers = tuple(sorted(word for word in words if word[0].isdigit()))
    return {(*numbers, "", *words[start : start + n]) for start in range(len(words) - n + 1)}


def _question_words(question: Question) -> tuple[str, ...]:
    return tuple(word for text in (*question.fields.values(), *question.options) for word in words_of(text))


def _premise(question: Question) -> tuple[str, ...] | None:
    return words_of(question.fields["statement1"]) if "statement1" in question.fields else None


def words_of(text: str) -> tuple[str, ...]:
    """Words in lower case and numbers, without punctuation."""
    found = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return tuple(word.replace(",", "") for word in found)


def _hash(key: str, seed: int) -> int:
    """A number below 2**64."""
    return int.from_bytes(blake2b(f"{seed} {key}".encode(), digest_size=8).digest())
