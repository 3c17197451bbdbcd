"""Chunks and shards cover the work once, in order; seeds depend on what a draw belongs to and on nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from stepladder.generation.chunks import chunks, sample_seed, shard

items = st.lists(st.integers(), max_size=200)
sizes = st.integers(1, 50)


@given(items, sizes)
def test_chunks_are_the_items_in_order_and_full_but_for_the_last(work, size):
    parts = chunks(work, size)
    assert [item for part in parts for item in part] == work
    assert all(len(part) == size for part in parts[:-1])
    assert all(1 <= len(part) <= size for part in parts)


@given(items, sizes, st.integers(1, 20))
def test_shards_are_contiguous_whole_chunks_and_even(work, size, of):
    parts = chunks(work, size)
    shares = [shard(parts, index, of) for index in range(of)]
    assert [part for share in shares for part in share] == parts
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_twenty_shards_lose_none_of_logiqas_questions():
    parts = chunks(list(range(12_567)), 64)  # shards by floor division hold 12,560
    shares = [shard(parts, index, 20) for index in range(20)]
    assert sum(len(part) for share in shares for part in share) == 12_567


@given(items, sizes, st.integers(1, 20), st.integers(1, 20))
def test_the_number_of_shards_does_not_move_a_chunks_border(work, size, one, other):
    def borders(of: int) -> list[list[int]]:
        return [list(part) for index in range(of) for part in shard(chunks(work, size), index, of)]

    assert borders(one) == borders(other)


names = st.text("abc/-", min_size=1, max_size=6)
draws = st.tuples(names, names, st.integers(0, 9), names)


@given(st.lists(draws, unique=True, min_size=2, max_size=50))
def test_every_draw_has_a_seed_of_its_own_that_vllm_can_count_on_from(belongings):
    seeds = [sample_seed(*belonging) for belonging in belongings]
    assert len(set(seeds)) == len(belongings)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert [sample_seed(*belonging) for belonging in belongings[::-1]] == seeds[::-1]


def test_seeds_are_the_same_in_every_process_and_version():
    """The value is the first 63 bits of blake2b-64 of the JSON list of the four names."""
    assert sample_seed("pspo", "trajectories/sft", 0, "awpnli-1") == 2763150930605433797
