"""One question: what a data set asks, its options, and its right answer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One question, with options or with an answer in free form.

    Attributes:
        dataset: "awpnli", "newsnli", "redditnli", "rte_quant", "stresstest", "qqa", "sums", "puzzles", "gsm8k",
            "gsm_plus", "math500", "logiqa2" or "reclor".
        fields: {"statement1": ..., "statement2": ...} for statement pairs, {"context": ..., "question": ...} for
            questions about a passage, {"question": ...} for the others.
        options: the option texts, in the order in which they are shown; none where the answer is in free form.
        answer: 0-based index of the right option; of a question without options the answer as it is published, or
            "unanswerable".
        solution: the gold chain, of a generated question with one step a line; None where the source has none.
        demonstration: the chain shown to supervised fine-tuning: the gold chain, or a hasty one that ends in
            the hasty answer; None for other sources.
    """

    dataset: str
    fields: dict[str, str]
    options: tuple[str, ...]
    answer: int | str
    solution: str | None = None
    demonstration: str | None = None
