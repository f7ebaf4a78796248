"""Define `check`, which judges a rule by running its function on arrays, without SymPy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.check import inputs
from learnerdsl.check.judges import Judgement, Judges
from learnerdsl.check.report import Mismatch, Report, lines_of, mismatch_of
from learnerdsl.check.slopes import slopes
from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError, RuleError
from learnerdsl.storage import ARITHMETIC_TYPES

BOTH = "both"


def check(
    rule: UpdateRule,
    params: Mapping[Any, np.ndarray] | Sequence[np.ndarray] | None = None,
    *,
    updates: int = 5,
    dtype: str = "float64",
    backend: str = "auto",
    nonfinite: bool = False,
    seed: int = 0,
    **arguments: Any,
) -> Report:
    """Check that the learner of a rule computes what the rule's function says.

    The function is run on NumPy arrays, without SymPy. After every update the compiled learner and
    the oracle (`backend="numpy"`) are compared with it. Every update starts from the arrays of the
    compiled learner. The function's values carry a bound of their rounding errors: a difference
    within the bound is rounding, a larger one is a fault of the compiler, or of SymPy's algebra,
    which simplifies expressions as it builds them.

    Arrays and states have the dtype of the arithmetic, also states for which the rule declares
    another number type: what rounding to fewer bits does is a property of the numbers, not of the
    rule.

    If a rule is smooth and works element by element, derivatives are compared too: those that
    `sympy.diff` gives of the new values with respect to the parameter and the gradient, with
    central differences of the function.

    Args:
        rule: a rule, or a chain.
        params: arrays, which are copied; None for one array of each of the shapes (), (5,), (3, 4)
            and (2, 3, 4) that the rule takes.
        updates: number of updates. Gradients are of size 1, 1, 1e-6 and 1e6 in turn, with zeros.
        dtype: "float64", "float32" or "both", if `params` is None.
        backend: backend of the compiled learner: "auto" or "cpu"; "numpy" judges only the oracle.
        nonfinite: whether gradients also hold NaN and infinity.
        seed: seed of the arrays, and of the rule's random numbers.
        arguments: hyperparameters and options of the rule.

    Returns:
        A report: print it, read `.ok`, or call `.raise_if_wrong()`.

    Raises:
        LearnerError: the rule cannot be used, or its function needs symbols and not arrays.

    >>> import learnerdsl as ld
    >>> @ld.rule
    ... def clipped(p, g, lr=0.1):
    ...     return ld.assign(p, p - lr * ld.clip(g, -1, 1))
    >>> ld.check(clipped).ok
    True
    """
    _check_arguments(rule, updates, dtype, backend)
    for name in ("states", "master", "rounding", "products"):
        if name in arguments:
            msg = f"check judges a rule in the dtype of its arithmetic; leave out {name}."
            raise HyperparameterError(msg)
    rng = np.random.default_rng(seed)
    sets = _parameter_sets(rule, params, dtype, rng, arguments)
    judgements: list[Judgement] = []
    mismatches: list[Mismatch] = []
    for arrays in sets:
        judges = Judges(rule, arrays, backend=backend, seed=seed, **arguments)
        found = _judged(judges, updates, rng, nonfinite)
        kind = str(arrays[0].dtype)
        wrong = [mismatch_of(one, kind, arrays[one.tensor].shape) for one in found]
        mismatches += [one for one in wrong if one is not None]
        judgements += found
        with np.errstate(all="ignore"):
            mismatches += slopes(judges, rng)
    return Report(
        rule=rule.name,
        shapes=tuple(a.shape for a in sets[0]),
        dtypes=tuple(str(arrays[0].dtype) for arrays in sets),
        updates=updates,
        lines=lines_of(judgements),
        mismatches=tuple(mismatches),
    )


def _judged(
    judges: Judges, updates: int, rng: np.random.Generator, nonfinite: bool
) -> list[Judgement]:
    """Judge the start values, and after each update the new values and evaluation parameters."""
    found = judges.start()
    shapes = [p.shape for p in judges.parameters]
    dtype = str(judges.parameters[0].dtype)
    for update in range(updates):
        scale = inputs.SCALES[update % len(inputs.SCALES)]
        gradients = inputs.gradients(shapes, dtype, rng, scale, nonfinite)
        given = inputs.extras(judges.rules, judges.parameters, rng)
        found += judges.update(gradients, 1 + update % 3, given)
        if judges.rules[0].evaluation is not None:
            found += judges.evaluation()
    return found


def _parameter_sets(
    rule: UpdateRule,
    params: Any,
    dtype: str,
    rng: np.random.Generator,
    arguments: Mapping[str, Any],
) -> list[list[np.ndarray]]:
    """Return the parameters of each learner to judge."""
    if params is not None:
        arrays = list(params.values()) if isinstance(params, Mapping) else list(params)
        return [[np.array(a) for a in arrays]]
    options = {n: v for n, v in arguments.items() if n in rule._option_names}
    usable, refusal = [], None
    for shape in inputs.SHAPES:
        try:
            rule.trace(shape=shape, **options)
            usable.append(shape)
        except RuleError as error:
            refusal = error
    if not usable and refusal is not None:
        raise refusal
    names = ARITHMETIC_TYPES if dtype == BOTH else (dtype,)
    return [inputs.parameters(usable, name, rng) for name in names]


def _check_arguments(rule: Any, updates: Any, dtype: Any, backend: Any) -> None:
    if not isinstance(rule, UpdateRule):
        msg = f"check needs a rule or a chain, got {rule!r}; write check(my_rule)."
        raise RuleError(msg)
    if type(updates) is not int or updates < 1:
        msg = f"updates must be a whole number, 1 or more, got {updates!r}."
        raise HyperparameterError(msg)
    choices = {"dtype": (dtype, (*ARITHMETIC_TYPES, BOTH)), "backend": (backend, _BACKENDS)}
    for name, (given, known) in choices.items():
        if given not in known:
            listed = ", ".join(map(repr, known))
            msg = f"{name} of check must be one of {listed}, got {given!r}."
            raise HyperparameterError(msg)


_BACKENDS = ("auto", "cpu", "numpy")
