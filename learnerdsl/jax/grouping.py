"""Read groups of parameters from a tree of labels."""

from collections.abc import Mapping
from typing import Any

import jax

from learnerdsl.errors import HyperparameterError
from learnerdsl.numbers import quoted


class Groups:
    """Which parameters have arguments of their own.

    Args:
        rule: name of the rule, for errors.
        groups: label -> arguments that differ, or None for parameters that stay as they are.
        labels: a tree of labels, or a function of the parameters that returns one.

    Attributes:
        overrides: for each group, the hyperparameters and options that differ; the first is of all
            parameters without a label of `groups`.
    """

    def __init__(
        self, rule: str, groups: Mapping[str, Mapping[str, Any] | None] | None, labels: Any
    ) -> None:
        given = {} if groups is None else groups
        is_read = isinstance(given, Mapping) and all(
            own is None or isinstance(own, Mapping) for own in given.values()
        )
        if not is_read:
            msg = (
                f"groups of {rule} must be a dict such as {{'bias': {{'weight_decay': 0.0}}}}, got "
                f"{quoted(groups)}."
            )
            raise HyperparameterError(msg)
        if bool(given) != (labels is not None):
            msg = (
                f"{rule} needs both groups= and labels=, or neither: groups={{'bias': {{...}}}} "
                "and labels=tree, a tree like the parameters with the label of each."
            )
            raise HyperparameterError(msg)
        self.rule = rule
        self.labels = labels
        trained = {label: own for label, own in given.items() if own is not None}
        self.overrides: list[Mapping[str, Any]] = [{}, *trained.values()]
        self.places: dict[Any, int | None] = {label: k for k, label in enumerate(trained, 1)}
        self.places |= {label: None for label, own in given.items() if own is None}

    def numbers(self, params: Any, count: int) -> list[int | None]:
        """Return for each parameter the index of its group; None if it stays as it is.

        Raises:
            HyperparameterError: the labels do not fit the tree.
        """
        if self.labels is None:
            return [0] * count
        labels = self.labels(params) if callable(self.labels) else self.labels
        try:
            own = jax.tree.leaves(
                jax.tree.map(
                    lambda label, part: jax.tree.map(lambda _: _Label(label), part), labels, params
                ),
                is_leaf=lambda node: isinstance(node, _Label),
            )
        except (ValueError, TypeError) as error:
            msg = f"The labels of {self.rule} do not fit the tree of parameters: {error}"
            raise HyperparameterError(msg) from None
        return [self.places.get(label.value, 0) for label in own]


class _Label:
    """A label, which is no container whatever its value is."""

    def __init__(self, value: Any) -> None:
        self.value = value
