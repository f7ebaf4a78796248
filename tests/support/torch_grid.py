"""The arguments, number types, shapes and gradients by which classes are compared with torch's.

The arguments are those that torch tests its own optimizers with, on the CPU.
"""

import torch

RATE = torch.tensor(0.001)
DECAY = {"weight_decay": 0.1}
DECOUPLED = {"decoupled_weight_decay": True}
UPWARDS = {"maximize": True}
ADAM = [{}, {"lr": 0.01}, DECAY, {**DECAY, **UPWARDS}, {**DECAY, "amsgrad": True}]
NADAM = {"momentum_decay": 6e-3}
RMSPROP = {**DECAY, "centered": True, "momentum": 0.1}
MOMENTUM = {"momentum": 0.9}

GRID = {
    "Adadelta": [
        *({}, {"lr": 0.01}, DECAY, UPWARDS, {**DECAY, **UPWARDS}),
        {"rho": 0.95, "weight_decay": 0.9},
    ],
    "Adafactor": [
        *({}, {**DECAY, "lr": 0.01}, {**DECAY, **UPWARDS}),
        *({"beta2_decay": -1.0}, {"d": 1.5}, {"eps": (1e-8, 1e-2)}),
    ],
    "Adagrad": [
        *({}, DECAY, {**DECAY, **UPWARDS}, {"lr": 0.1}, {"lr": RATE}),
        {**DECAY, "initial_accumulator_value": 0.1},
        {**DECAY, "lr": 0.1, "lr_decay": 0.5},
    ],
    "Adam": [*ADAM, {"betas": (0.8, 0.95)}, {**DECAY, **DECOUPLED}, {"lr": RATE, "amsgrad": True}],
    "Adamax": [{}, {"lr": 0.1}, DECAY, UPWARDS, {**DECAY, **UPWARDS}],
    "AdamW": [*ADAM, {"betas": (0.8, 0.95)}, {"lr": RATE, "amsgrad": True}],
    "ASGD": [
        *({}, {"lambd": 0.1}, {"lr": 0.02}, {"t0": 100}, {"t0": 5}),
        *(UPWARDS, DECAY, {**DECAY, **UPWARDS}),
    ],
    "Muon": [
        *({}, {"lr": 0.01}, {"lr": RATE}, {"weight_decay": 0.2}, {"momentum": 0.8}),
        *({"ns_steps": 6}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw"}),
    ],
    "NAdam": [
        *({}, {"lr": 1e-3}, NADAM, DECAY, {**DECAY, **NADAM}, {**DECAY, **UPWARDS}),
        {**DECAY, **NADAM, **DECOUPLED},
    ],
    "RAdam": [
        *({}, {"lr": 2e-3}, {"eps": 1e-6}, DECAY, {**DECAY, **DECOUPLED}, {**DECAY, **UPWARDS}),
    ],
    "RMSprop": [
        *({}, {"lr": 1e-3}, DECAY, UPWARDS, {**DECAY, **UPWARDS}, {**DECAY, "centered": True}),
        *(RMSPROP, {**RMSPROP, **UPWARDS}, MOMENTUM),
    ],
    "Rprop": [
        *({}, {"lr": 2e-4}, {"etas": (0.5, 1.5)}, {"step_sizes": (2e-6, 100)}, UPWARDS),
    ],
    "SGD": [
        *({}, {"lr": 1e-2}, {"lr": RATE}, {"weight_decay": 0.5}, {**DECAY, **UPWARDS}),
        *(MOMENTUM, {**MOMENTUM, "dampening": 0.5}, {**MOMENTUM, **DECAY}),
        {**MOMENTUM, **DECAY, "nesterov": True},
    ],
    "SparseAdam": [{}, {"lr": 0.01}, {"lr": RATE}, UPWARDS],
}
"""Name of a class -> the arguments to give it."""

BY_AXES = {"Adafactor", "Muon"}
"""Classes of rules with axes or matrices, which take real tensors in row-major order only."""
TAKE_SPARSE = {
    "SGD": [{}, {"lr": RATE}, UPWARDS],
    "Adagrad": [{}, {"lr_decay": 0.5}, UPWARDS],
    "SparseAdam": GRID["SparseAdam"],
}
"""Classes that take sparse gradients in torch, and the arguments with which they do."""
STEPS = 10


def starts(name, dtype, is_sparse=False):
    """Return start values of the shapes and layouts that a class takes."""
    generator = torch.Generator().manual_seed(2)

    def normal(*shape):
        kind = torch.complex128 if dtype.is_complex else torch.float64
        return torch.randn(shape, generator=generator, dtype=kind).to(dtype)

    if name == "Muon":
        return [normal(3, 4), normal(6, 5), normal(1, 7)]
    found = [normal(3, 4), normal(5), normal(2, 3, 4), normal(1, 1)]
    if name not in BY_AXES:
        # torch's Adafactor divides by the size of an empty tensor.
        found += [normal(0, 3), normal(2, 3, 4, 5).to(memory_format=torch.channels_last)]
        found += [] if is_sparse else [normal(), normal(4, 6).T]
    return found


def gradient(p, generator, is_sparse=False):
    """Return a gradient of which a tenth of the elements is zero; a sparse one has few rows."""
    kind = torch.complex128 if p.is_complex() else torch.float64
    found = torch.randn(p.shape, generator=generator, dtype=kind)
    found *= torch.rand(p.shape, generator=generator, dtype=torch.float64) > 0.1
    if not is_sparse:
        return torch.empty_like(p).copy_(found)
    rows = torch.randint(0, max(1, len(p)), (min(2, len(p)),), generator=generator)
    return torch.sparse_coo_tensor(
        rows[None], found.to(p.dtype)[rows], p.shape, check_invariants=True
    )


def exact(arguments, dtype):
    """Return arguments whose tensors have as many digits as the parameters, as torch computes."""

    def converted(value):
        if isinstance(value, tuple):
            return tuple(map(converted, value))
        return value.to(dtype.to_real()) if isinstance(value, torch.Tensor) else value

    return {name: converted(value) for name, value in arguments.items()}


def optimizer_of(optimizer_class, begin, arguments, groups=1):
    """Return parameters and their optimizer, whose groups have learning rates of their own."""
    parameters = [torch.nn.Parameter(value.clone()) for value in begin]
    optimizer = optimizer_class(
        [{"params": parameters[k::groups]} for k in range(groups)], **arguments
    )
    for k, group in enumerate(optimizer.param_groups):
        group["lr"] = group["lr"] * (1 + k)
    return parameters, optimizer


def give_gradients(parameters, step, is_sparse=False):
    """Set the gradients of a step; one parameter has none in one of them."""
    for k, p in enumerate(parameters):
        generator = torch.Generator().manual_seed(100 * step + k)
        p.grad = None if (step, k) == (4, 1) else gradient(p, generator, is_sparse)


def trained(optimizer_class, begin, arguments, is_sparse=False, groups=1):
    """Return the parameters after some updates."""
    parameters, optimizer = optimizer_of(optimizer_class, begin, arguments, groups)
    for step in range(STEPS):
        give_gradients(parameters, step, is_sparse)
        optimizer.step()
    return [p.detach() for p in parameters]


def error(own, theirs, begin):
    """Return the largest difference in parts of the largest movement of a tensor.

    The rounding of the parameter itself, twice in each update as torch does with weight decay, is
    left out: a parameter may move by little more than that.
    """
    worst = 0.0
    for a, b, start in zip(own, theirs, begin, strict=True):
        if a.numel():
            rounding = STEPS * torch.finfo(a.dtype).eps * b.abs().max().item()
            excess = (a - b).abs().max().item() - rounding
            worst = max(worst, excess / (b - start).abs().max().item())
    return worst
