"""Optimizers of sharded tensors on a GPU do what those of whole tensors do on the CPU.

PTX runs on tensors of the host that stand for those of a GPU, and gloo on them stands for NCCL.
"""

import pytest
from support.gpu_ranks import builtins_on_gpu, on_gpu
from support.sharded_ranks import on_ranks
from support.tiers import FEW

LEFT_OUT = {
    "noisy_sgd",  # normal numbers of CUDA differ from those of the CPU in the last digit
    "adashift",  # does not move in so few steps
}
NAMES = sorted(FEW - LEFT_OUT)


def test_steps_on_two_ranks(tmp_path):
    rules = [("clipped", "by_rows"), ("adafactor", "by_rows"), ("by_mean_norm", "by_rows")]
    on_ranks(2, tmp_path, on_gpu, rules, ["alike", "exchanged", "refused", "left_out"])


@pytest.mark.slow
def test_states_and_matrices_on_two_ranks(tmp_path):
    rules = [("clipped", "by_columns"), ("muon", "by_columns")]
    on_ranks(2, tmp_path, on_gpu, rules, ["resumed", "narrow"])


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["by_rows", "by_tensors"])
def test_builtins_on_two_ranks(shard, tmp_path):
    on_ranks(2, tmp_path, builtins_on_gpu, NAMES, [shard], 4)


@pytest.mark.slow
def test_ranks_may_hold_nothing(tmp_path):
    on_ranks(3, tmp_path, builtins_on_gpu, ["adafactor", "prodigy"], ["by_rows"], 4)
