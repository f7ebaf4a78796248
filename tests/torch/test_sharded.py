"""Optimizers of sharded tensors (FSDP2, tensor parallelism) do what those of whole tensors do."""

import pytest
from support import sharded_ranks
from support.sharded_ranks import on_ranks, shard_builtins, shard_on_two_axes
from support.tiers import COSTLY, FEW, REPRESENTATIVES, costly, slow

from learnerdsl import learners

IN_ROWS = {"noisy_sgd", "gravity"}
QUICK = sorted(FEW - IN_ROWS)
ALL = sorted(set(learners.__all__) - IN_ROWS)
OWN = sorted(set(ALL) - COSTLY)
OTHERS = sorted(set(ALL) & COSTLY)
SHOWN = sorted(REPRESENTATIVES - IN_ROWS)
HIDDEN = sorted(set(ALL) - REPRESENTATIVES)


def test_few_builtins_on_two_ranks(tmp_path):
    on_ranks(2, tmp_path, shard_builtins, QUICK, ("by_rows", "by_columns", "by_tensors"))


# On three ranks shards are uneven, and a rank has none of a short tensor; two show nothing else.
@pytest.mark.parametrize(
    ("size", "names", "shards"),
    [
        slow(3, OWN, ["by_rows"]),
        slow(3, SHOWN, ["by_columns"]),
        costly(3, OTHERS, ["by_rows"]),
        costly(3, HIDDEN, ["by_columns"]),
        costly(2, ALL, ["by_rows", "by_columns"]),
    ],
)
def test_builtins_of_sharded_tensors(size, names, shards, tmp_path):
    on_ranks(size, tmp_path, shard_builtins, names, shards)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_draws_of_sharded_tensors(size, tmp_path):
    on_ranks(size, tmp_path, shard_builtins, sorted(IN_ROWS), ("by_rows",))


@pytest.mark.parametrize("names", [slow(SHOWN), costly(ALL)])
def test_tensor_parallelism(names, tmp_path):
    on_ranks(2, tmp_path, shard_builtins, names, ("by_tensors",))


@pytest.mark.slow
def test_fsdp_of_parallel_tensors(tmp_path):
    on_ranks(4, tmp_path, shard_on_two_axes, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("work", ["refusals", "versions", "moved_states"])
def test_dtensors(work, tmp_path):
    on_ranks(2, tmp_path, getattr(sharded_ranks, work))
