"""Refuse flat pieces of parameters, which some engines make, for rules that need whole tensors."""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from learnerdsl.errors import ArrayError
from learnerdsl.tracing import Rule, treats_elements_alike


def refuse_flattened(parameter: torch.Tensor, rule: Rule, what: str) -> None:
    """Raise if a parameter is part of a flat one of FullyShardedDataParallel, and must be whole."""
    if getattr(parameter, "_fsdp_flattened", False) and not treats_elements_alike(rule):
        _refuse(rule, f"{what} belongs to FullyShardedDataParallel, which gives flat pieces")


class Given:
    """The parameters that an optimizer was given, to notice flat pieces in their place.

    Args:
        groups: its groups.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]] = ()) -> None:
        self.references: list[list[weakref.ref[torch.Tensor]]] = []
        self.shapes: list[list[tuple[int, ...]]] = []
        for group in groups:
            self.add(group)

    def add(self, group: Mapping[str, Any]) -> None:
        """Note the parameters of a further group."""
        self.references.append([weakref.ref(p) for p in group["params"]])
        self.shapes.append([tuple(p.shape) for p in group["params"]])

    def refuse_pieces(self, number: int, group: Mapping[str, Any], choice: Any) -> None:
        """Raise if others are in the place of parameters of a group, and must be whole.

        Args:
            number: number of the group.
            group: the group as it is now.
            choice: rule and options of the group.
        """
        if number >= len(self.shapes):
            return
        known = {id(reference()) for reference in self.references[number]}
        others = [p for p in group["params"] if id(p) not in known]
        present = [tuple(p.shape) for p in group["params"]]
        if not others or present == self.shapes[number]:
            return
        for shape in dict.fromkeys(self.shapes[number]):
            rule = choice.rule.trace(shape=shape, **choice.options)
            if not treats_elements_alike(rule):
                why = (
                    "an engine such as DeepSpeed has put another tensor, of shape "
                    f"{tuple(others[0].shape)}, in the place of parameters"
                )
                _refuse(rule, why)


def _refuse(rule: Rule, why: str) -> None:
    msg = (
        f"{rule.name} needs whole tensors, for norms, axes, sizes, sums over the model or random "
        f"numbers, but {why}; use a rule that treats all elements alike, such as adamw, or an "
        "engine that keeps parameters whole, such as DistributedDataParallel."
    )
    raise ArrayError(msg)
