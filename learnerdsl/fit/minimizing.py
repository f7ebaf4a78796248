"""Minimise a function with a rule: a loop that stops, keeps the best weights, and reports."""

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from learnerdsl.errors import LearnerError, UnknownNameError
from learnerdsl.fit.libraries import library, library_if_there
from learnerdsl.fit.objectives import Evaluation, Objective
from learnerdsl.numbers import as_count, quoted
from learnerdsl.runtime.arrays.nested import is_nested

DONE, STEPS, NOT_FINITE, STOPPED = 0, 1, 2, 99
"""Values of `status`; 99 is what SciPy has for a callback that stops."""

MESSAGES = {
    STEPS: "The largest number of steps was reached before the tolerance.",
    NOT_FINITE: "The loss or a gradient became NaN or infinite.",
    STOPPED: "The callback raised StopIteration.",
}


class Result(dict[str, Any]):
    """A dict whose items are attributes too: what `minimize` returns where SciPy is missing."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    __setattr__ = dict.__setitem__

    def __dir__(self) -> list[str]:
        return list(self)


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    rule: Callable[..., Any],
    *,
    args: Sequence[Any] = (),
    jac: Callable[..., Any] | bool | None = None,
    tol: float | None = None,
    steps: int = 1000,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    **arguments: Any,
) -> Any:
    """Minimise a function of arrays with a rule, and return the best weights that it met.

    Args:
        fun: returns (loss, gradients) at weights of the form of `x0`; or (loss, gradients, extras)
            with a dict of what the rule takes besides. A rule that asks for the loss gets it.
            With `jac`, `fun` returns the loss alone. The arrays that it gets change in the next
            step, so keep copies.
        x0: where to begin: an array or numbers; or dicts, lists, tuples, named tuples and
            dataclasses of arrays. It is not changed.
        rule: a rule, or what else makes a learner of parameters.
        args: further arguments of `fun` and `jac`.
        jac: None or True if `fun` returns the gradients, else a function that returns them.
        tol: stop where no gradient is larger than this in absolute value; None for never.
        steps: the largest number of updates.
        callback: called after each evaluation, as SciPy does: with
            `intermediate_result=...` (`x`, `fun`, `nit`) if its argument has this name, else with
            the weights. It stops the loop with StopIteration.
        progress: whether to show a progress bar, with tqdm.
        arguments: hyperparameters and options of the rule, and arguments of `Learner`.

    Returns:
        A `scipy.optimize.OptimizeResult`, or a dict like it where SciPy is not installed: `x`,
        `fun` and `jac` of the best weights, `nit`, `nfev`, `njev`, `success`, `status` (0 done,
        1 too many steps, 2 not finite, 99 stopped by the callback), `message`, `losses` of all
        evaluations, and the `learner`.

    Raises:
        LearnerError: an argument cannot be used, or `fun` returns something else.

    >>> import numpy as np
    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import adam
    >>> def bowl(x):
    ...     return np.sum((x - 3) ** 2), 2 * (x - 3)
    >>> found = ld.minimize(bowl, [0.0, 10.0], adam, lr=0.3, tol=1e-6)
    >>> found.x.round(5), found.success
    (array([3., 3.]), True)
    """
    objective, start = _objective(fun, jac, args, x0)
    loop = _Loop(objective, _learner(rule, start, arguments), start, tol)
    notify = _notifier(callback, objective)
    bar = _bar(steps, progress)
    try:
        status = loop.run(bar, _checked_steps(steps), notify)
    finally:
        if progress:
            bar.close()
    return loop.result(status)


def _learner(rule: Callable[..., Any], start: Any, arguments: dict[str, Any]) -> Any:
    """Return the learner; an argument that nothing takes may be meant for `minimize`."""
    if not callable(rule):
        msg = f"A rule makes the learner, such as learnerdsl.learners.adam; got {quoted(rule)}."
        raise LearnerError(msg)
    try:
        return rule(start, **arguments)
    except UnknownNameError as error:
        known = inspect.signature(minimize).parameters.values()
        own = ", ".join(one.name for one in known if one.kind is one.KEYWORD_ONLY)
        error.args = (f"{error} Those of minimize are: {own}.",)
        raise


def minimize_method(rule: Callable[..., Any], **arguments: Any) -> Callable[..., Any]:
    """Return a method for `scipy.optimize.minimize`.

    SciPy's `options` are arguments of `learnerdsl.minimize`: `steps` (or `maxiter`), `tol`,
    `progress`. Bounds and constraints are refused.

    Args:
        rule: a rule.
        arguments: its hyperparameters and options.

    >>> import scipy.optimize
    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import adam
    >>> found = scipy.optimize.minimize(
    ...     scipy.optimize.rosen,
    ...     [0.5, -0.5],
    ...     method=ld.minimize_method(adam, lr=0.05),
    ...     jac=scipy.optimize.rosen_der,
    ...     options={"tol": 1e-6, "maxiter": 5000},
    ... )
    >>> found.x.round(4)
    array([1., 1.])
    """

    def method(
        fun: Callable[..., Any],
        x0: Any,
        args: Any = (),
        *,
        jac: Any = None,
        hess: Any = None,
        hessp: Any = None,
        bounds: Any = None,
        constraints: Any = (),
        callback: Any = None,
        **options: Any,
    ) -> Any:
        del hess, hessp  # SciPy passes them to every method
        if bounds is not None or constraints:
            msg = (
                "Rules do not know bounds or constraints; minimise a function of unbounded weights "
                "instead, such as x -> fun(exp(x)) for positive ones."
            )
            raise LearnerError(msg)
        if "maxiter" in options:
            options["steps"] = options.pop("maxiter")
        more = args if isinstance(args, tuple) else (args,)
        given = {**arguments, **options}
        return minimize(fun, x0, rule, args=more, jac=jac, callback=callback, **given)

    return method


class _Loop:
    """The state of a minimisation.

    Args:
        objective: what is minimised.
        learner: updates the weights.
        weights: the arrays that it updates, by path.
        tol: see `minimize`.
    """

    def __init__(self, objective: Objective, learner: Any, weights: Any, tol: float | None) -> None:
        self.objective, self.learner, self.weights, self.tol = objective, learner, weights, tol
        self.losses: list[float] = []
        self.best: Evaluation | None = None
        self.best_weights: dict[str, Any] = {}
        self.done = 0

    def run(self, bar: Any, steps: int, notify: Callable[..., None]) -> int:
        """Evaluate and update until a reason to stop; return it as a status."""
        for found in self.evaluations(steps):
            try:
                notify(self.weights, found.loss, self.done)
            except StopIteration:
                return STOPPED
            largest = found.largest
            if not (math.isfinite(found.loss) and math.isfinite(largest)):
                return NOT_FINITE
            if self.tol is not None and largest <= self.tol:
                return DONE
            if self.done < steps:
                extras = {"loss": found.loss} if "loss" in self.learner.extras else {}
                self.learner.update(found.gradients, **{**extras, **found.extras})
                self.done += 1
                bar.update(1)
                bar.set_postfix(loss=f"{found.loss:.6g}", refresh=False)
        return DONE if self.tol is None else STEPS

    def evaluations(self, steps: int) -> Iterable[Evaluation]:
        """Yield the evaluation before each update, and after the last one."""
        for _ in range(steps + 1):
            found = self.objective(self.weights)
            self.losses.append(found.loss)
            if self.best is None or found.loss < self.best.loss:
                self.best = Evaluation(found.loss, _copies(found.gradients), {})
                self.best_weights = _copies(self.weights)
            yield found

    def result(self, status: int) -> Any:
        """Return what was found."""
        best = self.best or Evaluation(math.nan, {}, {})
        optimize = library_if_there("scipy.optimize")
        kind: Any = Result if optimize is None else optimize.OptimizeResult
        why = "was reached." if self.tol is not None else "is done."
        what = "The tolerance" if self.tol is not None else "The number of steps"
        return kind(
            x=self.objective.in_form(self.best_weights),
            fun=best.loss,
            jac=self.objective.in_form(best.gradients),
            nit=self.done,
            nfev=self.objective.evaluations,
            njev=self.objective.evaluations,
            success=status == DONE,
            status=status,
            message=MESSAGES.get(status, f"{what} {why}"),
            losses=np.array(self.losses),
            learner=self.learner,
        )


def _objective(
    fun: Any, jac: Any, args: Sequence[Any], x0: Any
) -> tuple[Objective, dict[str, Any]]:
    """Return the objective, and copies of the arrays to begin with, by path."""
    is_container = is_nested(x0) or isinstance(x0, dict) or _is_list_of_arrays(x0)
    is_array = hasattr(x0, "shape") and not np.isscalar(x0)
    template = x0 if is_container or is_array else np.asarray(x0, np.float64)
    if jac is False or not (jac is None or jac is True or callable(jac)):
        msg = f"jac is a function that returns the gradients, or True, got {quoted(jac)}."
        raise LearnerError(msg)
    objective = Objective(fun, jac if callable(jac) else None, args, template)
    return objective, {path: _as_float(a) for path, a in objective.paths(template).items()}


def _is_list_of_arrays(x0: Any) -> bool:
    is_list = isinstance(x0, (list, tuple))
    return is_list and bool(x0) and all(hasattr(a, "shape") and a.shape != () for a in x0)


def _as_float(array: Any) -> Any:
    """Return a copy of an array that can be updated: whole numbers become float64."""
    if isinstance(array, np.ndarray) or not hasattr(array, "shape"):
        own = np.asarray(array)
        return np.array(own, np.float64 if own.dtype.kind in "iub" else own.dtype, order="C")
    return _copy(array)


def _copy(array: Any) -> Any:
    return array.detach().clone() if hasattr(array, "detach") else array.copy()


def _copies(arrays: dict[str, Any]) -> dict[str, Any]:
    return {n: _copy(a) if hasattr(a, "shape") else a for n, a in arrays.items()}


def _checked_steps(steps: Any) -> int:
    count = as_count(steps)
    if count is None or count < 0:
        msg = f"steps is the largest number of updates, got {quoted(steps)}."
        raise LearnerError(msg)
    return count


def _notifier(callback: Callable[..., Any] | None, objective: Objective) -> Callable[..., None]:
    """Return a function of (arrays, loss, updates) that calls the callback as SciPy would."""
    if callback is None:
        return lambda arrays, loss, updates: None
    takes_result = list(inspect.signature(callback).parameters) == ["intermediate_result"]

    def notify(arrays: dict[str, Any], loss: float, updates: int) -> None:
        x = objective.in_form(_copies(arrays))
        if takes_result:
            optimize = library_if_there("scipy.optimize")
            kind: Any = Result if optimize is None else optimize.OptimizeResult
            callback(intermediate_result=kind(x=x, fun=loss, nit=updates))
        else:
            callback(x)

    return notify


class _NoBar:
    """A progress bar that shows nothing."""

    def update(self, count: int) -> None:
        """Do nothing."""

    def set_postfix(self, **shown: Any) -> None:
        """Do nothing."""


def _bar(steps: int, progress: bool) -> Any:
    """Return a progress bar of so many steps."""
    if not progress:
        return _NoBar()
    return library("tqdm", "A progress bar").tqdm(total=steps, unit="step")
