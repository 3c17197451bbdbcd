"""Which questions of one set stand on passages that another set holds too, so that who trained on it has seen them.

Source: LPR (arXiv 2402.00658) judges models trained on LogiQA 2.0 by ReClor, whose validation passages occur there.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stepladder.questions.identity import question_id
from stepladder.questions.overlap import words_of
from stepladder.questions.question import Question

NGRAM = 13
NEAR = 0.5


@dataclass(frozen=True)
class Match:
    """A question that another set has seen.

    Attributes:
        question_id: of the question under audit.
        seen_id: of the first question that holds the same passage, or most of it.
        share: of the passage's n-grams that are there, too; 1 for the same words.
        options: how many of the question's options have the words of an option there.
    """

    question_id: str
    seen_id: str
    share: float
    options: int


def passage(question: Question) -> str:
    """What a question is about: its context, its first statement, or the question itself with its options.

    "Which is larger?" says nothing without them.
    """
    told = next((question.fields[name] for name in ("context", "statement1") if name in question.fields), None)
    return told or " ".join([question.fields["question"], *question.options])


def matches(audited: Iterable[Question], seen: Iterable[Question], n: int = NGRAM, near: float = NEAR) -> list[Match]:
    """Every audited question whose passage is a seen one, word for word, or has at least `near` of its n-grams in one.

    Texts are compared as words, in lower case and without punctuation. A passage shorter than `n` words matches as a
    whole only.
    """
    known = list(seen)
    whole: dict[tuple[str, ...], int] = {}
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, question in enumerate(known):
        text = words_of(passage(question))
        whole.setdefault(text, place)
        for ngram in set(_ngrams(text, n)):
            holders[ngram].append(place)
    found = []
    for question in audited:
        text = words_of(passage(question))
        ngrams = set(_ngrams(text, n))
        shared = Counter(place for ngram in ngrams for place in holders.get(ngram, ()))
        if text in whole:
            place, share = whole[text], 1.0
        elif shared:
            place = min(shared, key=lambda each: (-shared[each], each))
            share = shared[place] / len(ngrams)
        else:
            continue
        if share >= near:
            found.append(Match(question_id(question), question_id(known[place]), share, _same(question, known[place])))
    return found


def _ngrams(text: tuple[str, ...], n: int) -> Iterator[tuple[str, ...]]:
    return (text[start : start + n] for start in range(len(text) - n + 1))


def _same(question: Question, other: Question) -> int:
    there = {words_of(option) for option in other.options}
    return sum(words_of(option) in there for option in question.options)
