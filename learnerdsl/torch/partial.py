"""Refuse what computes over the whole model where an optimizer has a part of it."""

import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch

from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import Reduction, nodes
from learnerdsl.tracing import Rule

_torch: Any = torch
_ZERO = "torch.distributed.optim.zero_redundancy_optimizer"
_INSTEAD = (
    "use a rule without it, such as adamw, and torch.nn.utils.clip_grad_norm_(model.parameters(), "
    "...) for a norm; or one optimizer for the whole model"
)


@lru_cache(maxsize=256)
def spans_model(rule: Rule) -> bool:
    """Return whether a rule computes anything over all parameters together."""
    starts = [spec.init for spec in rule.states]
    sums = nodes([*starts, *(line.expression for line in rule.lines)])
    return any(spec.symbol.shape == "model" for spec in rule.states) or any(
        isinstance(node, Reduction) and node.over == "model" for node in sums
    )


def any_spans_model(rules: Sequence[Rule]) -> bool:
    """Return whether a rule computes anything over all parameters together.

    Equal rules should be one object: then few are looked up, which hashes them.
    """
    return any(map(spans_model, {id(rule): rule for rule in rules}.values()))


def refuse_part(name: str, tensors: Iterable[torch.Tensor]) -> None:
    """Raise if an update of something over the model begins where only a part is at hand.

    Args:
        name: name of the class.
        tensors: the parameters.
    """
    where = ""
    if any(hasattr(tensor, "_in_backward_optimizers") for tensor in tensors):
        where = "_apply_optimizer_in_backward makes an optimizer for each parameter"
    elif _torch._C._current_graph_task_id() != -1:
        where = "step() was called in a backward pass, before all gradients were there"
    if where:
        msg = f"{name} computes something over the whole model, but {where}; {_INSTEAD}."
        raise HyperparameterError(msg)


def refuse_rank(name: str) -> None:
    """Raise if ZeroRedundancyOptimizer makes this optimizer for the parameters of one rank."""
    if _is_of_one_rank():
        msg = (
            f"{name} computes something over the whole model, but ZeroRedundancyOptimizer gives "
            f"each process an optimizer of some parameters; {_INSTEAD}."
        )
        raise HyperparameterError(msg)


def refuse_divided_groups(name: str) -> None:
    """Raise if ZeroRedundancyOptimizer makes this optimizer, which divides groups."""
    if _is_of_one_rank():
        msg = (
            f"{name} divides groups by rule, but ZeroRedundancyOptimizer needs the groups that it "
            'has itself; give it a group for each rule: {"params": [...], "rule": "..."}.'
        )
        raise HyperparameterError(msg)


def _is_of_one_rank() -> bool:
    """Return whether the caller is a ZeroRedundancyOptimizer of several processes.

    It passes only tensors and arguments to the class, so the stack alone tells.
    """
    frame: Any = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == _ZERO:
            return getattr(frame.f_locals.get("self"), "world_size", 1) > 1
        frame = frame.f_back
    return False
