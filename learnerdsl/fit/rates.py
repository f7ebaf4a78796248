"""Find a learning rate by a range test: let it grow, and look where the loss falls."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.errors import HyperparameterError
from learnerdsl.fit.objectives import Objective
from learnerdsl.learner import Learner
from learnerdsl.numbers import as_count, as_number, quoted
from learnerdsl.runtime.arrays.nested import is_nested


@dataclass(frozen=True)
class RateSearch:
    """What `lr_finder` measured.

    Attributes:
        rates: the rates that were tried, in increasing order (steps,), float64.
        losses: the loss before the update with each rate (steps,), float64.
        smoothed: an average of the last losses (steps,), float64.
        steepest: the rate at which the smoothed loss falls fastest, by the logarithm of the rate.
        valley: a rate half of the way through the longest fall of the smoothed loss; it is lower.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    steepest: float
    valley: float

    @property
    def suggestion(self) -> float:
        """The rate to begin with: `steepest`."""
        return self.steepest


def lr_finder(
    learner: Learner,
    loss_and_grad: Callable[..., Any],
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.98,
    stop: float = 4.0,
    name: str = "lr",
) -> RateSearch:
    """Train with a rate that grows from `low` to `high`, and suggest one.

    The rate grows exponentially, the same for all groups that have a rate of their own. The test
    ends early where the loss explodes. Afterwards the learner and its parameters are bitwise what
    they were: states, steps, hyperparameters with their schedules, history.

    Sources: Smith, Cyclical learning rates for training neural networks,
    https://arxiv.org/abs/1506.01186, 2017; the choice of `valley` is that of fastai.

    Args:
        learner: the learner that is going to train.
        loss_and_grad: called for each step with the parameters, in the form that the learner was
            given; returns (loss, gradients), of a new minibatch if there are any, or (loss,
            gradients, extras).
        low: the first rate.
        high: the last rate.
        steps: how many rates to try, 2 or more.
        smoothing: how much of the average of the losses is kept in each step, at least 0 and
            less than 1.
        stop: ends where the smoothed loss is so many times its least value.
        name: the hyperparameter that grows.

    Raises:
        LearnerError: an argument cannot be used, or the loss is not finite at the first rates.

    >>> import numpy as np
    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import sgd
    >>> learner = sgd([np.ones(100)])
    >>> found = ld.lr_finder(learner, lambda x: (np.sum(x[0] ** 2), [2 * x[0]]))
    >>> 0.01 < found.suggestion < 1.0                  # SGD diverges above 1 here
    True
    """
    _check(learner, low, high, steps, smoothing, stop, name)
    restore = learner.snapshot()
    objective = Objective(loss_and_grad, None, (), _in_form(learner))
    arrays = {str(key): array for key, array in _every(learner).items()}
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    try:
        average = 0.0
        for k, rate in enumerate(np.geomspace(low, high, steps).tolist()):
            found = objective(arrays)
            average = smoothing * average + (1 - smoothing) * found.loss
            value = average / (1 - smoothing ** (k + 1))
            if not math.isfinite(value) or (smoothed and value > stop * min(map(abs, smoothed))):
                break
            rates.append(rate)
            losses.append(found.loss)
            smoothed.append(value)
            _set_rate(learner, name, rate)
            extras = {"loss": found.loss} if "loss" in learner.extras else {}
            learner.update(_gradients(learner, found.gradients), **{**extras, **found.extras})
    finally:
        restore()
    return _search(rates, losses, smoothed)


def _check(
    learner: Any, low: Any, high: Any, steps: Any, smoothing: Any, stop: Any, name: Any
) -> None:
    """Raise unless the arguments of `lr_finder` can be used."""
    if not isinstance(learner, Learner):
        msg = f"lr_finder needs a learner, got {quoted(learner)}; make one: rule(params)."
        raise HyperparameterError(msg)
    if name not in learner.hyperparameters:
        known = ", ".join(learner.hyperparameters) or "none"
        msg = f"The rule has no hyperparameter {quoted(name)} that could grow; it has {known}."
        raise HyperparameterError(msg)
    numbers = [as_number(value) for value in (low, high, smoothing, stop)]
    if any(number is None or not math.isfinite(number) for number in numbers):
        msg = f"low, high, smoothing and stop are numbers, got {low}, {high}, {smoothing}, {stop}."
        raise HyperparameterError(msg)
    if not 0 < low < high or not 0 <= smoothing < 1 or stop <= 1:
        msg = (
            "The rates need 0 < low < high, smoothing is at least 0 and less than 1, and stop is "
            f"larger than 1; got {low=}, {high=}, {smoothing=}, {stop=}."
        )
        raise HyperparameterError(msg)
    if (as_count(steps) or 0) < 2:
        msg = f"steps is the number of rates to try, 2 or more, got {quoted(steps)}."
        raise HyperparameterError(msg)


def _every(learner: Any) -> dict[Any, Any]:
    """Return all parameters by name, frozen ones too, in the order in which they were given."""
    known = {**learner.parameters, **learner.frozen}
    return {name: known[name] for name in learner._grouping.numbers}


def _in_form(learner: Any) -> Any:
    """Return the parameters in the form in which they were given, or in a dict or a list."""
    given = learner._made_of["params"]
    if is_nested(given):
        return given
    every = _every(learner)
    return every if learner._is_mapping else list(every.values())


def _gradients(learner: Any, by_path: dict[str, Any]) -> Any:
    """Return gradients in the form that the learner takes."""
    return by_path if learner._is_mapping else list(by_path.values())


def _set_rate(learner: Learner, name: str, rate: float) -> None:
    """Set a hyperparameter of all groups."""
    learner.hyperparameters[name] = rate
    for group in learner.groups:
        if name in group:
            group[name] = rate


def _search(rates: list[float], losses: list[float], smoothed: list[float]) -> RateSearch:
    """Return the result; raise if there are too few losses to choose by."""
    if len(rates) < 2:
        msg = (
            "The loss is not finite, or explodes, at the lowest rates; begin lower (low=...), or "
            "check the loss and the gradients."
        )
        raise HyperparameterError(msg)
    values = np.array(smoothed)
    slopes = np.gradient(values, np.log(rates))
    return RateSearch(
        rates=np.array(rates),
        losses=np.array(losses),
        smoothed=values,
        steepest=rates[int(np.argmin(slopes))],
        valley=rates[_valley(values)],
    )


def _valley(values: np.ndarray) -> int:
    """Return the index half of the way through the longest decreasing run of chosen values.

    As in fastai, the values of the run need not be neighbours, it ends at its last value, and
    begins as many places before as it has values.
    """
    lengths = np.ones(len(values), np.int64)
    for i in range(1, len(values)):
        above = lengths[:i][values[:i] > values[i]]
        lengths[i] = 1 + np.max(above, initial=0)
    end = int(np.argmax(lengths))
    start = max(0, end - int(lengths[end]))
    third = (end - start) / 3
    return start + int(third) + int(third / 2)
