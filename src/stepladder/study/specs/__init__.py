"""One spec per stage: what a node of that stage is made from and how. Every key of a study file is declared here."""

from stepladder.study.specs.audits import Audit
from stepladder.study.specs.evaluations import Evaluation
from stepladder.study.specs.labels import Labels
from stepladder.study.specs.models import Model
from stepladder.study.specs.policies import Policy
from stepladder.study.specs.prms import Prm
from stepladder.study.specs.questions import Questions
from stepladder.study.specs.rewards import Pairs, Rewards, Scores
from stepladder.study.specs.rollouts import StateRollouts
from stepladder.study.specs.tables import Table
from stepladder.study.specs.trajectories import Trajectories

STAGES: dict[str, object] = {
    "questions": Questions,
    "audits": Audit,
    "models": Model,
    "policies": Policy,
    "trajectories": Trajectories,
    "labels": Labels,
    "rollouts": StateRollouts,
    "prms": Prm,
    "scores": Scores,
    "rewards": Rewards,
    "pairs": Pairs,
    "evaluations": Evaluation,
    "tables": Table,
}
# Questions and what is found in them are the same for every seed, and a table is made from all seeds.
SEEDLESS_STAGES = ("questions", "audits", "tables")
