"""What the processes of the tests of DeepSpeed, FSDP1 and ZeroRedundancyOptimizer do."""

import copy
import os

import pytest
import torch
from torch import distributed
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.nn.parallel import DistributedDataParallel

import learnerdsl as ld
import learnerdsl.torch as ldt
from support.stacks import PAIRS, samples
from support.torch_models import distance, network, train

distributed_optim = pytest.importorskip("torch.distributed.optim")  # it warns of itself

RANKS = 2
PART = 4
"""Samples of a rank in a minibatch."""


def begin(rank, folder):
    """Join the other processes."""
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": RANKS, "LOCAL_SIZE": RANKS}
    os.environ.update({name: str(value) for name, value in places.items()})
    os.environ.update(DS_ACCELERATOR="cpu", MASTER_ADDR="localhost", MASTER_PORT="29500")
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=RANKS)


def engine_of(stage, precision, make, arguments):
    """Return an engine of DeepSpeed for a new model."""
    deepspeed = pytest.importorskip("deepspeed")
    deepspeed.init_distributed("gloo")
    model = network()
    optimizer = make(model.parameters(), **arguments)
    config = {
        "train_micro_batch_size_per_gpu": PART,
        "gradient_accumulation_steps": 2,
        "gradient_clipping": 0.5,
        "bf16": {"enabled": precision == "bf16"},
        "zero_optimization": {"stage": stage},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }
    if stage:
        config["zero_optimization"]["offload_optimizer"] = {"device": "cpu"}
    return deepspeed.initialize(model=model, optimizer=optimizer, config=config)[0]


def losses_of(engine, rank):
    """Train on this rank's part of each minibatch; return the losses."""
    losses, data = [], samples()
    for first in range(PART * rank, len(data), PART * RANKS):
        inputs, targets = map(torch.stack, zip(*data[first : first + PART], strict=True))
        outputs = engine(inputs.to(next(engine.module.parameters()).dtype))
        loss = (outputs.float() - targets).square().mean()
        engine.backward(loss)
        engine.step()
        losses.append(loss.item())
    return losses


def train_with_deepspeed(rank, folder, precision):
    """Train in all stages of ZeRO; raise unless losses are those with an optimizer of torch."""
    begin(rank, folder)
    for stage in range(4):
        for name, (own, theirs, arguments) in PAIRS.items():
            found, expected = (
                losses_of(engine_of(stage, precision, made, arguments), rank)
                for made in (own, theirs)
            )
            error = (torch.tensor(found) - torch.tensor(expected)).abs().max()
            assert error < 1e-6, (stage, name, error)
    distributed.destroy_process_group()


def resume_with_deepspeed(rank, folder, stage):
    """Save, load in a new engine; raise unless training continues bitwise."""
    begin(rank, folder)
    for make, _, arguments in PAIRS.values():
        whole = engine_of(stage, "fp32", make, arguments)
        losses_of(whole, rank)
        whole.save_checkpoint(f"{folder}/{make.__name__}")
        expected = losses_of(whole, rank)
        again = engine_of(stage, "fp32", make, arguments)
        again.load_checkpoint(f"{folder}/{make.__name__}")
        assert losses_of(again, rank) == expected
    distributed.destroy_process_group()


def refuse_in_deepspeed(rank, folder):
    """Raise unless rules that need whole tensors are refused where they get flat pieces."""
    begin(rank, folder)
    losses_of(engine_of(0, "fp32", ldt.LAMB, {}), rank)
    for stage in (1, 2, 3):
        with pytest.raises(ld.ArrayError, match="lamb needs whole tensors"):
            losses_of(engine_of(stage, "fp32", ldt.LAMB, {}), rank)
    distributed.destroy_process_group()


def train_with_fsdp1(rank, folder, keeps_parameters):
    """Train with FullyShardedDataParallel as torch does; refuse what needs whole tensors."""
    begin(rank, folder)
    cpu = torch.device("cpu")
    for own, theirs, arguments in PAIRS.values():
        models = []
        for made in (own, theirs):
            model = FullyShardedDataParallel(
                network(), device_id=cpu, use_orig_params=keeps_parameters
            )
            optimizer = made(model.parameters(), **arguments)
            _train_rank(model, optimizer, range(6), rank)
            with FullyShardedDataParallel.summon_full_params(model):
                models.append(network())
                models[-1].load_state_dict(model.module.state_dict())
        assert distance(*models) < 1e-6
        assert distance(models[0], network()) > 1e-3
    with pytest.raises(ld.ArrayError, match="belongs to FullyShardedDataParallel"):
        ldt.LAMB(model.parameters())
    distributed.destroy_process_group()


def train_with_zero(rank, folder):
    """Train with ZeroRedundancyOptimizer, which gives each rank some tensors; resume bitwise."""
    begin(rank, folder)
    for own, theirs, arguments in PAIRS.values():
        whole, saved = _run_zero(own, arguments, rank)
        again, _ = _run_zero(own, arguments, rank, saved)
        expected, _ = _run_zero(theirs, arguments, rank)
        assert distance(whole, again) == 0
        assert distance(whole, expected) < 1e-6
        assert distance(whole, network()) > 1e-3
    distributed.destroy_process_group()


def _run_zero(make, arguments, rank, saved=None):
    """Train from the start, or from the middle; return the model and what was saved there."""
    model = network()
    parallel = DistributedDataParallel(model)
    optimizer = distributed_optim.ZeroRedundancyOptimizer(
        parallel.parameters(), optimizer_class=make, **arguments
    )
    if saved is None:
        _train_rank(parallel, optimizer, range(3), rank)
        optimizer.consolidate_state_dict(to=0)
        found = copy.deepcopy([model.state_dict(), optimizer.state_dict() if not rank else None])
        distributed.broadcast_object_list(found, 0)
    else:
        found = saved
        model.load_state_dict(saved[0])
        optimizer.load_state_dict(saved[1])
    _train_rank(parallel, optimizer, range(3, 6), rank)
    return model, found


def _train_rank(model, optimizer, steps, rank):
    """Train on minibatches of this rank's own."""
    for k in steps:
        train(model, optimizer, 1, 10 * k + rank)
