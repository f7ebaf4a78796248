"""Define ReduceOnPlateau, a hyperparameter that falls when a loss stops improving."""

import math
from collections.abc import Mapping
from typing import Any

from learnerdsl.errors import CheckpointError, HyperparameterError
from learnerdsl.schedules.checks import as_float, choice, count, number, shown


class ReduceOnPlateau:
    """A value that is multiplied by `factor` whenever a loss has stopped improving.

    Give it to a learner as a hyperparameter, and report the loss as often as it should decide: each
    epoch, or each hundred updates. It depends on losses and not on the step, so save it in addition
    to the learner, with `state_dict` and `load_state_dict`.

    Args:
        initial: the value until the first reduction.
        factor: the factor of a reduction, at least 0 and less than 1.
        patience: the number of bad losses in a row that are tolerated; the next one reduces.
        threshold: by how much a loss must improve on the best one; otherwise it is bad.
        cooldown: the number of losses after a reduction that do not count as bad.
        minimum: the lowest value.
        mode: "min" if smaller is better, "max" if larger is.
        threshold_mode: "rel" for a threshold relative to the best loss, "abs" for an absolute one.
        smallest_change: reductions by this or less are skipped.

    Source: torch.optim.lr_scheduler.ReduceLROnPlateau,
    https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html

    >>> rate = ReduceOnPlateau(0.1, factor=0.5, patience=1)
    >>> for loss in [1.0, 0.8, 0.9, 0.8]:
    ...     rate.observe(loss)
    >>> rate.value
    0.05
    """

    def __init__(
        self,
        initial: float,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        minimum: float = 0.0,
        mode: str = "min",
        threshold_mode: str = "rel",
        smallest_change: float = 1e-8,
    ) -> None:
        self.factor = float(number("factor", factor))
        if not 0 <= self.factor < 1:
            msg = f"factor must be at least 0 and less than 1, got factor={factor!r}."
            raise HyperparameterError(msg)
        self.patience = count("patience", patience, least=0)
        self.threshold = float(number("threshold", threshold))
        self.cooldown = count("cooldown", cooldown, least=0)
        self.minimum = float(number("minimum", minimum))
        self.mode = choice("mode", mode, ("min", "max"))
        self.threshold_mode = choice("threshold_mode", threshold_mode, ("rel", "abs"))
        self.smallest_change = float(number("smallest_change", smallest_change))
        self.value = float(number("initial", initial))
        self.best = math.inf if mode == "min" else -math.inf
        self.bad = 0
        self.cooling = 0

    def __call__(self, step_count: int) -> float:
        """Return the present value; the step does not matter."""
        del step_count
        return self.value

    def observe(self, loss: float) -> None:
        """Record a loss, and reduce the value if there were more bad ones than `patience`.

        Args:
            loss: a number, or an array with one element; NaN is a bad loss.

        Raises:
            HyperparameterError: `loss` is not a number.
        """
        try:
            seen = float(loss)
        except (TypeError, ValueError, OverflowError):
            msg = f"A loss must be a number, got {shown(loss)}; write rate.observe(float(...))."
            raise HyperparameterError(msg) from None
        if self._is_better(seen):
            self.best, self.bad = seen, 0
        else:
            self.bad += 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            self._reduce()

    def _is_better(self, loss: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            goal = self.best * (1 + sign * self.threshold)
        else:
            goal = self.best + sign * self.threshold
        return loss < goal if self.mode == "min" else loss > goal

    def _reduce(self) -> None:
        reduced = max(self.value * self.factor, self.minimum)
        if self.value - reduced > self.smallest_change:
            self.value = reduced
        self.cooling, self.bad = self.cooldown, 0

    def state_dict(self) -> dict[str, float]:
        """Return the present value and the counts that decide the next, as plain numbers."""
        return {name: getattr(self, name) for name in ("value", "best", "bad", "cooling")}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises:
            CheckpointError: the state dict is of something else; nothing was changed.
        """
        own = self.state_dict()
        if not isinstance(state_dict, Mapping) or set(state_dict) != set(own):
            msg = (
                f"The state of a ReduceOnPlateau must have the keys {', '.join(own)}, got "
                f"{state_dict!r}."
            )
            raise CheckpointError(msg)
        try:
            loaded = {name: type(old)(state_dict[name]) for name, old in own.items()}
        except (TypeError, ValueError, OverflowError):
            loaded = {}
        if not loaded or any(math.isnan(as_float(number)) for number in loaded.values()):
            msg = f"The state of a ReduceOnPlateau must have numbers, got {shown(state_dict)}."
            raise CheckpointError(msg)
        vars(self).update(loaded)

    def __repr__(self) -> str:
        return f"ReduceOnPlateau(value={self.value}, best={self.best}, bad={self.bad})"
