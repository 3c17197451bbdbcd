"""Audits: which questions of a split stand on passages that another split holds, too."""

from typing import Annotated

from pydantic import Field

from stepladder.study.fields import Dataset, EachOnce, PositiveFloat, PositiveInt, QuestionsNode, Spec


class Audit(Spec):
    """Questions of a split whose passages occur in the splits that something was trained on."""

    questions: QuestionsNode
    split: str = Field(description="the one that is audited, such as test")
    sets: Annotated[tuple[Dataset, ...], EachOnce] = Field((), description="the data sets of it; none: all")
    seen: QuestionsNode | None = Field(None, description="whose splits were trained on; none: the same node")
    seen_splits: Annotated[tuple[str, ...], EachOnce] = Field(min_length=1, description="those trained on")
    seen_sets: Annotated[tuple[Dataset, ...], EachOnce] = Field((), description="the data sets of them; none: all")
    ngram: PositiveInt = Field(13, description="words in an n-gram")
    near: PositiveFloat = Field(
        0.5, le=1, description="a question is seen when so many of its passage's n-grams are in one seen passage"
    )


def seen_questions(spec: Audit) -> str:
    """The questions node whose splits were trained on."""
    return spec.seen or spec.questions
