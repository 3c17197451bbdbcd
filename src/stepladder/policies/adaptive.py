"""How many rollouts each state gets when certain states need fewer than doubtful ones."""

import math
from collections.abc import Mapping

from stepladder.study.specs.credit import Adaptive


def posterior_deviation(successes: int, trials: int) -> float:
    """Standard deviation of a state's value given its rollouts, from a uniform prior: that of Beta(s + 1, f + 1).

    Unlike the deviation of the sample it is above 0 where all rollouts agree.
    """
    a, b = successes + 1, trials - successes + 1
    return math.sqrt(a * b / (a + b + 1)) / (a + b)


def next_round(counts: Mapping[str, tuple[int, int]], spec: Adaptive, budget: int) -> dict[str, int]:
    """The further rollouts of each state that gets any, the least certain states first; nothing when all is done.

    Args:
        counts: right rollouts and all rollouts of the rounds before, by state.
        budget: most rollouts of all states together, those before included.
    """
    left = budget - sum(trials for _, trials in counts.values())
    plan = {}
    for key in sorted(counts, key=lambda key: (-posterior_deviation(*counts[key]), key)):
        more = min(spec.further, spec.most - counts[key][1], left)
        if more > 0 and posterior_deviation(*counts[key]) > spec.enough:
            plan[key] = more
            left -= more
    return plan
