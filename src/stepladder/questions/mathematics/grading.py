"""Right or wrong, and which answers are the same: by form where that decides, else by algebra in a worker."""

from collections.abc import Sequence

from stepladder.questions.mathematics.checker import Checker
from stepladder.questions.mathematics.forms import Form, compare, form


def equal(pairs: Sequence[tuple[str, str]], checker: Checker) -> list[bool]:
    """Whether the answers of each pair are the same; symmetric, and of any text."""
    return _equal([(form(first), form(second)) for first, second in pairs], checker)


def grade(answers: Sequence[str | None], gold: str, checker: Checker) -> list[bool]:
    """Whether each answer to one question is right; None (nothing could be read) is wrong."""
    right = iter(equal([(answer, gold) for answer in answers if answer is not None], checker))
    return [answer is not None and next(right) for answer in answers]


def cluster(answers: Sequence[str | None], gold: str, checker: Checker) -> list[str | None]:
    """The same text for the same answer, for votes: the gold's form, or that of the first answer that is equal.

    So an answer is right exactly when its text is that of the gold, and None stays None. Equality is decided against
    the first of each cluster, so that no two clusters can grow together.
    """
    forms = {answer: form(answer) for answer in answers if answer is not None}
    found = {form(gold).text: form(gold)}
    named: dict[str, str] = {}
    for candidate in forms.values():
        if candidate.text not in named:
            named[candidate.text] = _first_equal(candidate, list(found.values()), checker)
            found.setdefault(named[candidate.text], candidate)
    return [named[forms[answer].text] if answer is not None else None for answer in answers]


def _first_equal(candidate: Form, others: Sequence[Form], checker: Checker) -> str:
    same = _equal([(candidate, other) for other in others], checker)
    return next((other.text for other, is_same in zip(others, same, strict=True) if is_same), candidate.text)


def _equal(pairs: Sequence[tuple[Form, Form]], checker: Checker) -> list[bool]:
    verdicts = [compare(*pair) for pair in pairs]
    undecided = [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict == "undecided"]
    decided = iter(checker.compare([(first.text, second.text) for first, second in undecided]))
    return [(next(decided) if verdict == "undecided" else verdict) == "equal" for verdict in verdicts]
