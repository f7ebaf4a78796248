"""What one process of the tests of checkpoints of sharded training does."""

import torch
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    get_state_dict,
    set_optimizer_state_dict,
    set_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh

import learnerdsl.torch as ldt
from support.sharded_ranks import backward, batches, by_rows, divided, error, full, network

CLASSES = ("AdamW", "LAMB", "Adafactor", "SOAP", "ScheduleFreeAdamW", "Prodigy")


def made(name, size, cls=None):
    """Return a network, sharded if there are several ranks, and its optimizer."""
    model = network()
    if size > 1:
        by_rows(model, init_device_mesh("cpu", (size,)))
    cls = cls or getattr(ldt, name)
    return model, cls(model.parameters(), lr=0.1)


def train(model, optimizer, first, last):
    """Train by the gradients of some batches, bitwise the same for any number of ranks."""
    for batch in batches(last)[first:]:
        alone = network()
        for p, q in zip(alone.parameters(), model.parameters(), strict=True):
            p.data.copy_(full(q.detach()))
        backward(alone, batch)
        for p, q in zip(alone.parameters(), model.parameters(), strict=True):
            q.grad = divided(p.grad, q)
        optimizer.step()


def fault_of(model, name, last):
    """Return how a network differs from one that was trained without interruption, in a list."""
    whole, alone = made(name, 1)
    train(whole, alone, 0, last)
    found = error(whole, model, network())
    return [] if found < 1e-10 else [f"{name}: {found}"]


def save(size, folder):
    """Train for some steps, and save."""
    for name in CLASSES:
        model, optimizer = made(name, size)
        train(model, optimizer, 0, 4)
        weights, states = get_state_dict(model, optimizer)
        checkpoint.save({"model": weights, "optimizer": states}, checkpoint_id=f"{folder}/{name}")


def resume(size, folder):
    """Load, train on, and compare with training without an interruption."""
    faults = []
    for name in CLASSES:
        model, optimizer = made(name, size)
        before = [full(p.detach()).clone() for p in model.parameters()]
        weights, states = get_state_dict(model, optimizer)
        after = [full(p.detach()) for p in model.parameters()]
        assert all(map(torch.equal, before, after))
        loaded = {"model": weights, "optimizer": states}
        checkpoint.load(loaded, checkpoint_id=f"{folder}/{name}", no_dist=size == 1)
        set_state_dict(
            model,
            optimizer,
            model_state_dict=loaded["model"],
            optim_state_dict=loaded["optimizer"],
        )
        train(model, optimizer, 4, 8)
        faults += fault_of(model, name, 8)
    return faults


FORMS = (
    ({"full_state_dict": True}, {"full_state_dict": True}),
    ({"flatten_optimizer_state_dict": True}, {"flatten_optimizer_state_dict": True}),
    # Only the first rank gets states in the memory of the host, and sends them.
    (
        {"full_state_dict": True, "cpu_offload": True},
        {"full_state_dict": True, "broadcast_from_rank0": True},
    ),
)
"""Options by which states are asked for, and set."""


def other_forms(size):
    """Pass states on in each form that torch has; training goes on as if nothing had happened."""
    faults = []
    for ask, give in FORMS:
        for name in CLASSES:
            model, optimizer = made(name, size)
            train(model, optimizer, 0, 3)
            asked, given = StateDictOptions(**ask), StateDictOptions(**give)
            states = get_optimizer_state_dict(model, optimizer, options=asked)
            again = type(optimizer)(model.parameters(), lr=0.1)
            set_optimizer_state_dict(model, again, states, options=given)
            train(model, again, 3, 6)
            faults += [f"{ask} {fault}" for fault in fault_of(model, name, 6)]
    return faults


def across_libraries(size):
    """Let the optimizer of one library continue from that of the other."""
    faults = []
    classes = (ldt.AdamW, torch.optim.AdamW)
    for one, other in (classes, classes[::-1]):
        model, optimizer = made("AdamW", size, one)
        train(model, optimizer, 0, 3)
        again = other(model.parameters(), lr=0.5)
        again.load_state_dict(optimizer.state_dict())
        train(model, again, 3, 6)
        whole, alone = made("AdamW", 1)
        train(whole, alone, 0, 6)
        found = error(whole, model, network())
        if not found < 1e-6:  # torch keeps these scalars in float32
            faults.append(f"{one} to {other}: {found}")
    return faults
