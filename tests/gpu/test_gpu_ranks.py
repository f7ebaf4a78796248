"""Sharded tensors on GPUs, whose processes exchange through NCCL; skipped without one.

Two processes need two GPUs. On one, a team of one process has all of a tensor, and its engine joins
what it has by the same kernels and collectives.
"""

import pytest
from gpu.devices import DEVICE, MARKS, SLEEP, count_devices, problem
from support.processes import spawn
from support.rules import clipped_adamw_ema

from learnerdsl import learners
from learnerdsl.runtime.shards import Piece, Shard

pytestmark = MARKS

RULES = (clipped_adamw_ema, learners.lamb, learners.adafactor, learners.prodigy)
OF_MATRICES = learners.muon_with_adamw


@pytest.fixture
def team(torch, tmp_path):
    """A team of this process alone, whose collectives are those of NCCL."""
    if not torch.distributed.is_nccl_available():
        pytest.skip("this PyTorch has no NCCL")
    ranks = pytest.importorskip("learnerdsl.torch.ranks")
    store = f"file://{tmp_path}/store"
    torch.distributed.init_process_group("nccl", init_method=store, rank=0, world_size=1)
    yield ranks.RankTeam(torch.distributed.group.WORLD, torch.device(DEVICE))
    torch.distributed.destroy_process_group()


def pieces(tensors, team):
    """Tensors of which a team of one has all."""
    whole = [tuple(slice(0, n) for n in t.shape) for t in tensors]
    shards = [Shard(team, tuple(t.shape), (box,)) for t, box in zip(tensors, whole, strict=True)]
    return list(map(Piece, tensors, shards))


@pytest.mark.parametrize("rule", [*RULES, OF_MATRICES], ids=lambda rule: rule.name)
def test_a_team_of_one_joins_what_it_has(rule, torch, team):
    start, sequence = problem()
    tensors = [torch.tensor(array, device=DEVICE) for array in start]
    expected = [array.copy() for array in start]
    learner, judge = rule(pieces(tensors, team)), rule(expected)
    for gradients in sequence:
        learner.update([torch.tensor(g, device=DEVICE) for g in gradients])
        judge.update(gradients)
    for tensor, array in zip(tensors, expected, strict=True):
        # Both round in float32, in another order; Newton-Schulz raises that by up to 485.
        rtol, atol = (1e-3, 1e-4) if rule is OF_MATRICES else (1e-4, 1e-5)
        torch.testing.assert_close(tensor.cpu(), torch.tensor(array), rtol=rtol, atol=atol)


def test_no_exchange_waits(torch, team):
    start, sequence = problem()
    learner = clipped_adamw_ema(pieces([torch.tensor(a, device=DEVICE) for a in start], team))
    gradients = [torch.tensor(g, device=DEVICE) for g in sequence[0]]
    learner.update(gradients)
    torch.cuda.synchronize()
    torch.cuda._sleep(SLEEP)
    learner.update(gradients)
    assert not torch.cuda.current_stream().query()
    torch.cuda.synchronize()


def test_two_gpus_train_as_one_process(torch, tmp_path):
    if count_devices() < 2 or not torch.distributed.is_nccl_available():
        pytest.skip("this needs two GPUs and NCCL")
    work = pytest.importorskip("support.gpu_ranks").train_on_gpus
    spawn(work, 2, str(tmp_path))
