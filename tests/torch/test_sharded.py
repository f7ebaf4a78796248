"""Optimizers of sharded tensors (FSDP2, tensor parallelism) do what those of whole tensors do."""

import pytest
from support import sharded_ranks
from support.sharded_ranks import on_ranks, shard_builtins, shard_on_two_axes
from support.tiers import FEW

from learnerdsl import learners

IN_ROWS = {"noisy_sgd", "gravity"}
QUICK = sorted(FEW - IN_ROWS)
ALL = sorted(set(learners.__all__) - IN_ROWS)


def test_few_builtins_on_two_ranks(tmp_path):
    on_ranks(2, tmp_path, shard_builtins, QUICK, ("by_rows", "by_columns", "by_tensors"))


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_all_builtins(size, tmp_path):
    on_ranks(size, tmp_path / "all", shard_builtins, ALL)
    on_ranks(size, tmp_path / "draws", shard_builtins, sorted(IN_ROWS), ("by_rows",))


@pytest.mark.slow
def test_tensor_parallelism(tmp_path):
    on_ranks(2, tmp_path, shard_builtins, ALL, ("by_tensors",))


@pytest.mark.slow
def test_fsdp_of_parallel_tensors(tmp_path):
    on_ranks(4, tmp_path, shard_on_two_axes, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("work", ["refusals", "versions", "moved_states"])
def test_dtensors(work, tmp_path):
    on_ranks(2, tmp_path, getattr(sharded_ranks, work))
