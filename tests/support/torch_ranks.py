"""What one process of the tests of parallel training does."""

import warnings

import pytest
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl.transforms import clip_grad_norm
from support.torch_models import distance, network, train

with warnings.catch_warnings():
    # This module of torch calls torch.jit.script, which warns.
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch.distributed import optim

apply_in_backward = optim._apply_optimizer_in_backward


def begin(rank, folder):
    """Meet the other process."""
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)


def train_in_parallel(rank, folder):
    """Train two copies of a model on two ranks; raise unless AdamW agrees with torch."""
    begin(rank, folder)
    models = []
    for optimizer_class in (ldt.AdamW, torch.optim.AdamW):
        model = network()
        parallel = DistributedDataParallel(model, gradient_as_bucket_view=True)
        optimizer = optimizer_class(parallel.parameters(), lr=0.01)
        for k in range(4):
            train(parallel, optimizer, 1, 10 * k + rank)
        models.append(model)
    assert distance(*models) < 1e-6
    distributed.destroy_process_group()


def by_shape(name, p):
    """Choose the rule of a parameter."""
    return "matrix" if p.ndim == 2 else "other"


Clipped = ldt.optimizer_class(ld.chain(clip_grad_norm, ld.learners.sgd, name="clipped_on_ranks"))
Chosen = ldt.optimizer_class(
    {"matrix": ld.learners.lamb, "other": ld.learners.adamw}, "ChosenOnRanks", by_shape
)


def divide_the_optimizer(rank, folder):
    """Let each of two ranks update some parameters; raise unless that is as in one process."""
    begin(rank, folder)
    of_groups = {
        ldt.AdamW: lambda model: model.parameters(),
        ldt.LAMB: lambda model: model.parameters(),
        Chosen: lambda model: [
            {"params": [p for p in model.parameters() if by_shape("", p) == rule], "rule": rule}
            for rule in ("matrix", "other")
        ],
    }
    for optimizer_class, groups in of_groups.items():
        divided, whole = network(), network()
        zero = optim.ZeroRedundancyOptimizer(groups(divided), optimizer_class, lr=0.01)
        judge = optimizer_class(groups(whole), lr=0.01)
        assert 0 < sum(len(g["params"]) for g in zero.optim.param_groups) < 4
        for k in range(4):
            zero.param_groups[0]["lr"] = judge.param_groups[0]["lr"] = 0.01 / (1 + k)
            train(divided, zero, 1, k)
            train(whole, judge, 1, k)
        assert distance(divided, whole) < 1e-6
        assert distance(divided, network()) > 0.001
    text = "whole model, but ZeroRedundancyOptimizer gives each process an optimizer of some"
    with pytest.raises(ld.HyperparameterError, match=text):
        optim.ZeroRedundancyOptimizer(network().parameters(), Clipped, lr=0.01)
    with pytest.raises(ld.HyperparameterError, match="give it a group for each rule"):
        optim.ZeroRedundancyOptimizer(network().parameters(), Chosen, lr=0.01)
    distributed.destroy_process_group()
