"""Writes foreign_checkpoints.json: what optimizers of other libraries save, and where they go on.

`PYTHONPATH=.:tests python -m support.foreign_checkpoints` writes it, where timm, pytorch_optimizer
and schedulefree are installed.
"""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from learnerdsl.torch.foreign import FOREIGN
from support.families.libraries import timm_module

FILE = Path(__file__).with_suffix(".json")
SHAPES = ((2, 3), (3,))
STEPS = 5

MODULES = {"Lamb": "lamb", "NAdamW": "nadamw"}
"""Modules of timm, where they are not the name in small letters."""
ARGUMENTS = {
    "timm.SGDP": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "timm.SGDW": {"momentum": 0.9, "weight_decay": 0.1},
    "timm.Lamb": {"weight_decay": 0.1, "max_grad_norm": 0.5},
    "pytorch_optimizer.DiffGrad": {"weight_decay": 0.1, "weight_decouple": False},
    "pytorch_optimizer.AdEMAMix": {"weight_decay": 0.1, "weight_decouple": True},
    "prodigyopt.Prodigy": {"lr": 1.0, "weight_decay": 0.1, "d0": 1e-3},
    "schedulefree.SGDScheduleFree": {"momentum": 0.8, "warmup_steps": 3, "weight_decay": 0.1},
    "schedulefree.AdamWScheduleFree": {"r": 0.5, "warmup_steps": 3, "weight_decay": 0.1},
    "pytorch_optimizer.ScheduleFreeAdamW": {"r": 0.5, "warmup_steps": 3},
    "pytorch_optimizer.StableAdamW": {"kahan_sum": False, "weight_decay": 0.1},
}
"""Arguments besides the learning rate; weight decay where nothing is said and the class has it."""


def class_of(name):
    """Return the class of the library; skip the calling test where that is not installed."""
    library, _, own = name.partition(".")
    if library == "timm":
        return getattr(timm_module(MODULES.get(own, own.lower())), own)
    return getattr(pytest.importorskip(library), own)


def arguments_of(name):
    """Return the arguments with which an optimizer is made."""
    has_decay = "weight_decay" in FOREIGN[name].same
    return {"lr": 0.05, **ARGUMENTS.get(name, {"weight_decay": 0.1} if has_decay else {})}


def parameters(values=None):
    """Return parameters of float64, of which each has a gradient at each step."""
    generator = torch.Generator().manual_seed(1)
    random = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
    return [torch.nn.Parameter(torch.as_tensor(v, dtype=torch.float64)) for v in values or random]


def update(given, optimizer, first):
    """Do some updates."""
    for step in range(first, first + STEPS):
        for k, p in enumerate(given):
            generator = torch.Generator().manual_seed(10 * step + k)
            p.grad = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        optimizer.step()


def recorded(name):
    """Return what an optimizer saves after some updates, and the parameters before and later."""
    torch.set_default_dtype(torch.float64)
    try:
        given = parameters()
        optimizer = class_of(name)(given, **arguments_of(name))
        if hasattr(optimizer, "train"):
            optimizer.train()
        update(given, optimizer, 0)
        saved = optimizer.state_dict()
        found = {
            "version": version(name.partition(".")[0]),
            "state": {
                number: {key: encoded(value) for key, value in states.items()}
                for number, states in saved["state"].items()
            },
            "param_groups": [
                {key: encoded(value) for key, value in group.items()}
                for group in saved["param_groups"]
            ],
            "parameters": [p.tolist() for p in given],
        }
        update(given, optimizer, STEPS)
        return {**found, "later": [p.tolist() for p in given]}
    finally:
        torch.set_default_dtype(torch.float32)


def encoded(value):
    """Return a value as JSON has it: tensors in a dict."""
    return {"tensor": value.tolist()} if isinstance(value, torch.Tensor) else value


def decoded(value):
    """Return a value of the state dict."""
    if isinstance(value, dict):
        return torch.tensor(value["tensor"], dtype=torch.float64)
    return tuple(value) if isinstance(value, list) else value


def state_dict(found):
    """Return the state dict that was recorded."""
    return {
        "state": {
            int(number): {key: decoded(value) for key, value in states.items()}
            for number, states in found["state"].items()
        },
        "param_groups": [
            {key: value if key == "params" else decoded(value) for key, value in group.items()}
            for group in found["param_groups"]
        ],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: recorded(name) for name in FOREIGN}, indent=1) + "\n")
