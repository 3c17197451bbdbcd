"""The vLLM engine against Hugging Face's forward pass, and the promises that resuming and sharding rest on."""

import dataclasses
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from tiny_models import END, VOCABULARY, save_random_model
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from stepladder.errors import StepladderError
from stepladder.generation.chunks import chunks
from stepladder.generation.engine import Engine
from stepladder.generation.requests import Completion, Request, Sampling

CONTEXT = 96
SAMPLED = Sampling(temperature=1.0, top_p=1.0, max_tokens=24)
GREEDY = Sampling(temperature=0.0, top_p=1.0, max_tokens=24)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [save_random_model(folder / str(seed), seed, context=CONTEXT) for seed in (0, 1)]


@pytest.fixture(scope="module")
def models(checkpoints) -> list[LlamaForCausalLM]:
    return [AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval() for folder in checkpoints]


@pytest.fixture(scope="module")
def engine(checkpoints):
    running = Engine(checkpoints[0], max_num_seqs=64)
    yield running
    running.close()


def test_an_engine_listens_on_loopback_only(engine):
    listening = [each.laddr.ip for each in psutil.Process().net_connections("inet") if each.status == "LISTEN"]
    assert set(listening) <= {"127.0.0.1", "::1"} and os.environ["GLOO_SOCKET_IFNAME"] == "lo"


def prompts(count: int, seed: int = 0) -> list[tuple[int, ...]]:
    draw = random.Random(seed)
    return [tuple(draw.randrange(3, VOCABULARY) for _ in range(draw.randrange(5, 40))) for _ in range(count)]


def requests(count: int, samples: int = 4) -> list[Request]:
    return [Request(prompt, samples, seed=1000 * number) for number, prompt in enumerate(prompts(count))]


def token_ids(rows: list[list[Completion]]) -> list[list[list[int]]]:
    return [[list(each.token_ids) for each in row] for row in rows]


@torch.no_grad()
def distributions(model: LlamaForCausalLM, prompt: tuple[int, ...], answer: tuple[int, ...]) -> torch.Tensor:
    """Log-probs of all tokens at each place of the completion, (len(answer), vocabulary)."""
    logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1)


def is_greedy(model: LlamaForCausalLM, prompt: tuple[int, ...], answer: tuple[int, ...]) -> bool:
    logprobs = distributions(model, prompt, answer)
    chosen = logprobs.gather(1, torch.tensor(answer)[:, None])[:, 0]
    return bool((logprobs.max(-1).values - chosen < 1e-4).all())


def test_the_same_requests_give_the_same_completions_in_their_order(engine):
    first, second = (engine.generate(requests(20), SAMPLED, "") for _ in range(2))
    assert first == second
    turned = engine.generate(requests(20)[::-1], SAMPLED, "")
    assert token_ids(turned[::-1]) == token_ids(first)


def test_a_chunk_depends_on_nothing_but_itself(engine):
    """Bit for bit, log-probs included: what sharding and resuming rest on.

    The prompts are states of one long answer, so that a chunk would find prefixes that another one left behind.
    """
    answer = prompts(1)[0] * 3
    states = [Request(answer[:length], 2, seed=length) for length in range(6, 66)]
    random.Random(0).shuffle(states)
    parts = chunks(states, 16)
    in_order = [engine.generate(part, SAMPLED, "") for part in parts]
    backwards = [engine.generate(part, SAMPLED, "") for part in parts[::-1]][::-1]
    assert in_order == backwards


def test_sample_i_draws_from_the_seed_plus_i(engine):
    (together,) = engine.generate([Request((5, 6, 7), 4, seed=77)], SAMPLED, "")
    alone = engine.generate([Request((5, 6, 7), 1, seed=77 + i) for i in range(4)], SAMPLED, "")
    assert [each.token_ids for each in together] == [row[0].token_ids for row in alone]
    assert len({each.token_ids for each in together}) == 4


def test_greedy_is_the_argmax_of_the_model(engine, models):
    asked = requests(12, samples=1)
    completions = [row[0] for row in engine.generate(asked, GREEDY, "")]
    assert all(is_greedy(models[0], r.prompt_ids, c.token_ids) for r, c in zip(asked, completions, strict=True))
    assert not any(is_greedy(models[1], r.prompt_ids, c.token_ids) for r, c in zip(asked, completions, strict=True))


@pytest.mark.parametrize("sampling", [SAMPLED, Sampling(0.6, 0.8, 24)])
def test_logprobs_are_those_of_the_model_before_temperature_and_nucleus(engine, models, sampling):
    asked = requests(8)
    for request, row in zip(asked, engine.generate(asked, sampling, ""), strict=True):
        for completion in row:
            expected = distributions(models[0], request.prompt_ids, completion.token_ids)
            expected = expected.gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0]
            assert torch.tensor(completion.logprobs) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_tokens_are_drawn_from_the_models_distribution(engine, models, temperature):
    prompt, draws = prompts(1)[0], 4000
    (row,) = engine.generate([Request(prompt, draws, seed=0)], Sampling(temperature, 1.0, 1), "")
    seen = np.bincount([each.token_ids[0] for each in row], minlength=VOCABULARY) / draws
    expected = (distributions(models[0], prompt, (0,))[0] / temperature).softmax(-1).numpy()
    spread = np.sqrt(expected * (1 - expected) / draws)
    assert (np.abs(seen - expected) < 5 * spread + 1e-3).all()


def test_a_nucleus_leaves_out_the_tail(engine, models):
    prompt = prompts(1)[0]
    (row,) = engine.generate([Request(prompt, 500, seed=0)], Sampling(1.0, 0.5, 1), "")
    ordered, tokens = distributions(models[0], prompt, (0,))[0].exp().sort(descending=True)
    nucleus = tokens[: int((ordered.cumsum(0) < 0.5).sum()) + 1].tolist()
    assert {each.token_ids[0] for each in row} == set(nucleus)


def test_the_end_token_stays_with_its_logprob(engine):
    rows = engine.generate(requests(60), SAMPLED, "")
    stopped = [each for row in rows for each in row if each.finish_reason == "stop"]
    others = [each for row in rows for each in row if each.finish_reason == "length"]
    assert stopped and others
    assert all(each.token_ids.index(END) == len(each.token_ids) - 1 for each in stopped)
    assert all(END not in each.token_ids and len(each.token_ids) == SAMPLED.max_tokens for each in others)
    assert all(len(each.logprobs) == len(each.token_ids) for each in stopped + others)


def test_logprobs_are_left_out_where_not_asked_for(engine):
    bare = engine.generate(requests(4), dataclasses.replace(SAMPLED, logprobs=False), "")
    assert bare == [
        [dataclasses.replace(each, logprobs=()) for each in row] for row in engine.generate(requests(4), SAMPLED, "")
    ]


def test_the_budget_is_what_the_context_leaves(engine):
    long = prompts(1)[0] * 20
    asked = [
        Request(long[: CONTEXT - 3], 1, seed=1),
        Request(long[:10], 1, seed=2, max_tokens=5),
        Request(long[:10], 2, seed=3, max_tokens=0),
        Request(long[:CONTEXT], 2, seed=4),
        Request(long[: CONTEXT + 50], 1, seed=5),
    ]
    rows = engine.generate(asked, SAMPLED, "")
    assert [len(row) for row in rows] == [request.samples for request in asked]
    assert [len(row[0].token_ids) for row in rows] == [3, 5, 0, 0, 0]
    assert rows[3] == [Completion((), (), "length")] * 2


def test_a_stop_string_ends_a_completion_and_its_tokens_stay(engine, checkpoints):
    tokenizer = AutoTokenizer.from_pretrained(checkpoints[0])
    request = requests(3, samples=1)[2]
    ((whole,),) = engine.generate([request], GREEDY, "")
    stop = tokenizer.decode([whole.token_ids[4]])
    length = next(n for n in range(1, 25) if stop in tokenizer.decode(whole.token_ids[:n]))
    ((stopped,),) = engine.generate([request], dataclasses.replace(GREEDY, stop=(stop,)), "")
    assert stopped == Completion(whole.token_ids[:length], whole.logprobs[:length], "stop")


def test_swapped_weights_are_copied_and_meet_no_prefix_of_the_old_ones(engine, models):
    asked = [Request(prompt * 9, 1, seed=0) for prompt in prompts(8)]
    asked = [dataclasses.replace(request, prompt_ids=request.prompt_ids[:70]) for request in asked]
    before = engine.generate(asked, GREEDY, "")
    weights = {name: tensor.clone() for name, tensor in models[1].state_dict().items()}
    engine.swap_weights(weights.items())
    for tensor in weights.values():
        tensor.zero_()
    swapped = engine.generate(asked, GREEDY, "")
    engine.swap_weights(models[0].state_dict().items())
    assert all(is_greedy(models[1], r.prompt_ids, row[0].token_ids) for r, row in zip(asked, swapped, strict=True))
    assert engine.generate(asked, GREEDY, "") == before != swapped


def test_the_callers_random_state_is_left_alone(engine):
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    engine.generate(requests(3), SAMPLED, "")
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected


def test_progress_tells_tokens_a_second(engine, capsys):
    engine.generate(requests(3), SAMPLED, "sampling")
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("sampling ") and "3/3 prompts" in last and last.endswith(" tokens/s")


def test_requests_that_make_no_sense_are_refused(engine):
    with pytest.raises(StepladderError, match="no tokens"):
        engine.generate([Request((), 1, seed=0)], SAMPLED, "")
    with pytest.raises(StepladderError, match="one answer every time"):
        engine.generate([Request((5,), 2, seed=0)], GREEDY, "")


def test_models_that_cannot_run_are_refused(tmp_path, checkpoints):
    with pytest.raises(StepladderError, match="no such checkpoint"):
        Engine(tmp_path / "nothing")
    with pytest.raises(StepladderError, match="97 is more than the 96 positions"):
        Engine(checkpoints[0], max_model_len=97)
    if not torch.cuda.is_available():
        with pytest.raises(StepladderError, match="heads of size 16"):
            Engine(save_random_model(tmp_path / "narrow", 0, head_dim=16))


def test_two_ranks_hold_an_engine_each(engine, checkpoints, models, tmp_path):
    """Launched by torchrun after accelerate: unequal work on each rank, then weights swapped in on both."""
    script = Path(__file__).with_name("engine_on_ranks.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [*command, *map(str, checkpoints), str(tmp_path)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    asked = requests(9, samples=2)
    for rank in range(2):
        mine = asked[: 3 + 6 * rank]
        assert found[rank]["before"] == token_ids(engine.generate(mine, SAMPLED, ""))
        for request, row in zip(mine, found[rank]["after"], strict=True):
            assert is_greedy(models[1], request.prompt_ids, tuple(row[0]))
