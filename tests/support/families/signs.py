"""Rules whose steps have one length, and momentum with decoupled decay."""

from functools import partial

from support.families.libraries import (
    Arrays,
    Hyper,
    optax_names,
    run_optax,
    run_torch,
    same,
    timm_module,
)


def _timm_sgdw(params: Arrays, gradients: list[Arrays], hypers: list[Hyper]) -> list[Arrays]:
    module = timm_module("sgdw").__name__
    return run_torch("SGDW", same, params, gradients, hypers, module, foreach=False)


def _torch_inside(params: Arrays, gradients: list[Arrays], hypers: list[Hyper]) -> list[Arrays]:
    """Momentum at a learning rate of 1 on gradients times the learning rate; decay beside it.

    Keras itself needs a framework under it; its update is these two lines.
    """
    scaled = [[h["lr"] * g for g in grads] for grads, h in zip(gradients, hypers, strict=True)]
    buffers = run_torch("SGD", same, [0.0 * p for p in params], scaled, [_unit(h) for h in hypers])
    moves = [
        [after - before for before, after in zip(*pair, strict=True)]
        for pair in zip([[0.0 * p for p in params], *buffers[:-1]], buffers, strict=True)
    ]
    path, values = [], params
    for move, h in zip(moves, hypers, strict=True):
        decayed = [p * (1.0 - h["lr"] * h["weight_decay"]) for p in values]
        values = [p + m for p, m in zip(decayed, move, strict=True)]
        path.append(values)
    return path


def _unit(hyper: Hyper) -> Hyper:
    return {"lr": 1.0, "momentum": hyper["momentum"]}


TRUSTED = {
    "sgd_keras": _torch_inside,
    "sgdw": _timm_sgdw,
    "sign_sgd": partial(run_optax, "sign_sgd", optax_names),
    "signum": partial(run_optax, "signum", optax_names),
    "tiger": partial(run_torch, "Tiger", same, module="pytorch_optimizer", foreach=False),
}
RANGES = {"signum": {"beta": (0.8, 0.95)}, "tiger": {"beta": (0.8, 0.95)}}
