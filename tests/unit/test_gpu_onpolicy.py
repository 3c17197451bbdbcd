"""The benchmark of an on-policy iteration on a GPU: what it says of made-up iterations, and why it ends without one."""

import importlib.util
import sys

import pytest
import torch


@pytest.fixture(scope="module")
def benchmark(root):
    found = importlib.util.spec_from_file_location("gpu_onpolicy", root / "benchmarks" / "gpu_onpolicy.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


SECONDS = {"swap": 0.5, "sampling": 4.0, "logprob": 1.5, "rollout": 2.0, "update": 2.0}
PHASE_NAMES = [f"{phase}_seconds" for phase in SECONDS]


def iterations() -> list[dict]:
    """A first one that warms up, and two that differ; their mean takes the seconds above."""
    points = [{"generated_tokens": 7_000, "sequence_tokens": 1.0} | dict.fromkeys(PHASE_NAMES, 1e6)]
    for number, part in ((1, 0.5), (2, 1.5)):
        took = {f"{phase}_seconds": part * seconds for phase, seconds in SECONDS.items()}
        points.append({"generated_tokens": 7_000 + 6_000 * number, "sequence_tokens": 100.0 + 100 * part} | took)
    return points


def test_the_first_iteration_is_left_out_and_the_others_are_averaged(benchmark):
    given = benchmark.arguments_of(["--questions", "10", "--samples", "2", "--credit", "rollouts"])
    # 20 episodes of 200 tokens in 2 s of updates: 2,000 tokens/s, 6 x 5 M operations each: 0.06 TFLOP/s.
    assert benchmark.report(given, iterations(), 5_000_000, 0.24) == [
        "5 M weights, 10 x 2 episodes, credit rollouts",
        "an iteration: 10.00 s; swap 5.0%, sampling 40.0%, logprob 15.0%, rollout 20.0%, update 20.0%",
        "sampling: 1000 tokens/s",
        "updates: 2000 tokens/s, MFU 25.0%",
    ]


def test_a_critic_is_trained_beside_the_policy_and_an_unknown_gpu_has_no_mfu(benchmark):
    given = benchmark.arguments_of(["--questions", "10", "--samples", "2"])
    assert given.credit == "critic"
    assert benchmark.report(given, iterations(), 5_000_000, 0.24)[-1].endswith("MFU 50.0%")
    assert benchmark.report(given, iterations(), 5_000_000, None)[-1].endswith("MFU not known: give --peak-tflops")


def test_without_a_gpu_it_says_so_and_ends_well(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(benchmark, "train", lambda *given: pytest.fail("nothing is trained"))
    monkeypatch.setattr(sys, "argv", ["gpu_onpolicy.py"])
    with pytest.raises(SystemExit) as ended:
        benchmark.main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("there is no GPU here")
