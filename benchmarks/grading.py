"""Seconds that grading 10,000 candidate answers takes on this machine, hostile ones among them.

    python benchmarks/grading.py [DATA]

DATA is the folder of data sets (../shared/data). Candidates: the 5,276 published solutions to GSM8K's test questions,
as text; for every question of MATH500 its answer, three other writings of it, the answers of four other questions and
a wrong sum; and 224 hostile ones, no two alike, of which twelve can only be stopped by the limits of a worker.
"""

import os
import sys
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

from stepladder.questions import gsm8k, math500
from stepladder.questions.mathematics.checker import Checker
from stepladder.questions.mathematics.extraction import extract_answer
from stepladder.questions.mathematics.grading import equal

COUNT = 10_000
STOPPED_BY_LIMITS = [f"|a+b+c+d+f|^{{{50 + k}}}" for k in range(6)] + [
    f"\\tan(x)^{{{500 + k}}}+\\cot(y)^{{{500 - k}}}" for k in range(6)
]
STOPPED_BEFORE = [
    pattern
    for k in range(40)
    for pattern in (
        f"10^{{10^{{{10 + k}}}}}",
        f"({k + 9}^{{9}})!",
        f"\\int_0^{{10^{{{k}}}}} e^{{x^x}} dx",
        "\\frac{1}{1+" * (1000 + k) + "1" + "}" * (1000 + k),
        f"{k}" * 500_000,
    )
] + [f"1{chr(0)}{k}" for k in range(12)]


def candidates(data: Path) -> list[tuple[str, str]]:
    """Chains with the gold answer of their question."""
    golds = {question.fields["question"]: question.answer for question in gsm8k.load_local(data).questions}
    solutions = gsm8k.read_solutions(gsm8k.local_solutions(data).path)
    pairs = [(solution.text, golds[solution.question]) for solution in solutions]
    answers = [question.answer for question in math500.load_local(data).questions]
    hostile = [*STOPPED_BY_LIMITS, *STOPPED_BEFORE]
    pairs += [(f"\\boxed{{{answer}}}", gold) for answer, gold in zip(hostile, cycle(answers), strict=False)]
    for place, gold in enumerate(answers):
        others = islice(cycle(answers), place + 1, place + 5)
        written = [
            gold,
            f"\\left({gold}\\right)",
            f"2({gold})-({gold})",
            gold.replace("\\frac", "\\dfrac"),
            f"{gold}+1",
        ]
        pairs += [(f"so it is \\boxed{{{answer}}}.", gold) for answer in (*written, *others)]
    return pairs[:COUNT]


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has started and that have ended."""
    return sum(os.times()[:4])


def main(data: Path) -> None:
    pairs = candidates(data)
    start, spent = time.perf_counter(), cpu_seconds()
    read = [extract_answer(text) or "" for text, _ in pairs]
    reading = time.perf_counter() - start
    with Checker(workers=2) as checker:
        right = equal([(answer, gold) for answer, (_, gold) in zip(read, pairs, strict=True)], checker)
        seconds = time.perf_counter() - start
        verdicts = Counter(checker.verdicts)
    spent = cpu_seconds() - spent
    print(f"{len(pairs)} candidates, {sum(right)} right: {seconds:.1f} s, of which {reading:.1f} s to read the answers")
    print(f"CPU time of all processes: {spent:.1f} s, so about {spent / 2:.1f} s on two cores that do nothing else")
    print(f"compared by a worker: {verdicts.total()} pairs: {dict(verdicts)}")
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (1 minute)")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
