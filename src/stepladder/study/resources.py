"""What a job asks of the machine or the cluster, how it starts on its ranks, and how long it may work."""

from collections.abc import Callable, Mapping, Sequence

from stepladder.study.faults import Fault
from stepladder.study.nodes import Node, Nodes
from stepladder.study.settings import Resources, Scale, Work
from stepladder.study.specs.policies import Pretrain, Select, Sft

# What a rule may ask for; a job leaves out what it has no use for.
REQUESTED = ("threads", "mem_mb", "runtime", "gpu", "gpu_model", "tasks_per_gpu", "nodes", "tasks", "mpi", "gres")
# Seconds of a job's time that are not for work: Snakemake starts before it, a checkpoint may be written after it.
_LEAST_MARGIN, _MOST_MARGIN, _MARGIN = 30, 900, 0.1


def training_work(node: Node) -> Work:
    """The kind of work of a policy's or a PRM's own job; a training of no steps only hands its start on."""
    if isinstance(node.spec, Select):
        return "light"
    if isinstance(node.spec, Pretrain | Sft) and node.spec.optimisation.steps == 0:
        return "light"
    return "reinforce" if node.stage == "policies" and node.spec.method == "ppo" else "train"


def request(work: Work, scale: Scale, billions: float, attempt: int) -> Mapping[str, int | str]:
    """What one job asks for, by the names that Snakemake and its Slurm executor know.

    Args:
        billions: weights of the largest model that the job loads.
        attempt: from 1; memory and time grow with it, up to what the cluster grants.
    """
    asked = scale.resources.get(work, Resources())
    memory = round(asked.mem_mb + asked.mem_mb_per_billion * billions) * attempt
    minutes = round(asked.runtime + asked.runtime_per_billion * billions) * attempt
    wanted: dict[str, int | str] = {
        "threads": asked.threads,
        "mem_mb": min(memory, scale.max_mem_mb or memory),
        "runtime": min(minutes, scale.max_runtime or minutes),
    }
    if asked.gpu:
        # The job starts its own ranks: Slurm must not start it once a GPU.
        wanted |= {"gpu": asked.gpu * asked.nodes, "tasks_per_gpu": 0}
        if scale.gpu_model:
            wanted["gpu_model"] = scale.gpu_model
    if asked.nodes > 1:
        # With mpi the executor runs the job's command on the first node only, and that command calls srun itself.
        wanted |= {"nodes": asked.nodes, "tasks": asked.nodes, "mpi": "srun"}
        if asked.gpu:
            wanted["gres"] = ":".join(["gpu", *filter(None, [scale.gpu_model]), str(asked.gpu)])  # as many on each node
    return wanted


def launcher(asked: Resources, processes: int) -> str:
    """The shell words that start a training script on its ranks; over several nodes inside one Slurm job."""
    if processes == 1:
        return "python"
    ranks = processes // asked.nodes
    threads = f"OMP_NUM_THREADS={max(1, asked.threads // ranks)}"
    if asked.nodes == 1:
        return f"{threads} {' '.join(torchrun_on_one_node(ranks))}"
    srun = f"srun --nodes={asked.nodes} --ntasks-per-node=1 --cpus-per-task={asked.threads} --kill-on-bad-exit=1"
    torchrun = f"torchrun --nnodes={asked.nodes} --nproc-per-node={ranks} --rdzv-backend=c10d"
    # The ranks meet on the node where this line runs, the job's first; jobs that share it must not share a port.
    meeting = "--rdzv-id=$SLURM_JOB_ID --rdzv-endpoint=$(hostname):$((20000 + SLURM_JOB_ID % 20000))"
    return f"{threads} {srun} {torchrun} {meeting}"


def torchrun_on_one_node(ranks: int, torchrun: str = "torchrun") -> list[str]:
    """The words that start ranks side by side. Their meeting point is a file, since torch's own listens everywhere."""
    meeting = ["--rdzv-backend=c10d", "--rdzv-conf=store_type=file"]
    return ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1", torchrun, "--nnodes=1", f"--nproc-per-node={ranks}", *meeting]


def work_seconds(runtime: int) -> int:
    """The seconds of work in a job of so many minutes: what is left is for its start and its last checkpoint."""
    return round(60 * runtime - min(_MOST_MARGIN, max(_LEAST_MARGIN, _MARGIN * 60 * runtime)))


def faults_of_resources(scale: Scale, nodes: Nodes) -> list[Fault]:
    """Launches that do not fit what the scale gives: ranks without a GPU, GPUs without a rank."""
    at = ("scale", "resources")
    faults = []
    for work, asked in scale.resources.items():
        if work not in ("train", "reinforce") and asked.nodes > 1:
            faults.append(
                Fault((*at, work, "nodes"), f"only train and reinforce start on several nodes; {work} on one")
            )
        if work == "score" and asked.gpu > 1:
            faults.append(Fault((*at, work, "gpu"), f"one model scores on one GPU, and this asks for {asked.gpu}"))
        if work == "sample" and asked.gpu and asked.gpu != scale.tensor_parallel:
            said = (
                f"a sampling job gets {asked.gpu} GPUs, and its engine takes tensor_parallel: {scale.tensor_parallel}; "
                "make them the same (more engines side by side: shards)"
            )
            faults.append(Fault((*at, work, "gpu"), said))
    trainings: dict[Work, list[Node]] = {}
    for node in nodes.values():
        if node.stage in ("policies", "prms") and training_work(node) != "light":
            trainings.setdefault(training_work(node), []).append(node)
    for work, members in trainings.items():
        faults += _launches(work, scale.resources.get(work, Resources()), members)
    return faults


def _launches(work: Work, asked: Resources, trainings: Sequence[Node]) -> list[Fault]:
    """One fault for all trainings that start another number of ranks than there are GPUs for."""

    def told(wrong: Callable[[int], bool]) -> str:
        ranks = [(".".join((node.stage, node.name)), node.spec.optimisation.processes) for node in trainings]
        return ", ".join(f"{name} ({processes})" for name, processes in ranks if wrong(processes))

    gpus = asked.gpu * asked.nodes
    if asked.gpu and (nodes := told(lambda processes: processes != gpus)):
        each = f" ({asked.gpu} on each of {asked.nodes} nodes)" if asked.nodes > 1 else ""
        said = f"a job gets {gpus} GPUs{each}, and other numbers of ranks start in {nodes}"
        advice = f"give them optimisation.processes: {gpus}, by scale.override for a whole stage"
        return [Fault(("scale", "resources", work, "gpu"), f"{said}; {advice}")]
    if nodes := told(lambda processes: processes % asked.nodes != 0):
        said = f"ranks cannot be shared evenly by {asked.nodes} nodes in {nodes}"
        return [Fault(("scale", "resources", work, "nodes"), f"{said}; give them a multiple in optimisation.processes")]
    return []
