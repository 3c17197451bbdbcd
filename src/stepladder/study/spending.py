"""What a policy was made from beyond another: the jobs whose tokens and time are its cost."""

from stepladder.study.nodes import Key, Nodes, with_all_above
from stepladder.study.specs.tables import EfficiencyRow, EfficiencyTable

_FREE = ("questions", "models")


def learner(row: EfficiencyRow, nodes: Nodes) -> str | None:
    """The policy of a row, where it has learnt on-policy: its course can be shown."""
    policy = nodes["evaluations", row.evaluation].spec.policy
    return policy if nodes["policies", policy].spec.method == "ppo" else None


def spent_by(spec: EfficiencyTable, nodes: Nodes) -> dict[str, list[Key]]:
    """For every row, by label, its policy and all nodes above it, without those of the baseline's policy."""
    policies = {row.label: ("policies", nodes["evaluations", row.evaluation].spec.policy) for row in spec.rows}
    known = with_all_above(policies[spec.baseline], nodes)
    return {
        label: sorted(key for key in with_all_above(policy, nodes) - known if key[0] not in _FREE)
        for label, policy in policies.items()
    }
