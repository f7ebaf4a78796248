"""Choose the number types of a learner's arrays: what was asked for, and what the rule allows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.errors import HyperparameterError, UnknownNameError
from learnerdsl.expr import MatMul, MatrixState, ObservedState
from learnerdsl.layout import is_structured
from learnerdsl.numbers import quoted
from learnerdsl.pipeline import stages
from learnerdsl.storage import BLOCK, MASTERS, PRODUCTS, ROUNDINGS, STORAGES, Precision, Storage
from learnerdsl.tracing import Rule, StateSpec, is_counter, is_nonnegative


def precisions_for(
    rules: Sequence[Rule],
    kinds: Sequence[Storage],
    states: str | Mapping[str, str] | None,
    master: str | None,
    rounding: str,
    products: str | None = None,
) -> list[Precision]:
    """Return the number types of each parameter's arrays.

    Args:
        rules: the traced rule of each parameter.
        kinds: the number type of each parameter.
        states: a number type for all states with a value per element, or name -> number type of a
            state; None for those that the rule declares.
        master: how to keep master weights of narrow parameters; None for not at all.
        rounding: how new parameters and states are rounded, "nearest" or "stochastic".
        products: how matrices are multiplied, "full" or "bfloat16"; None for "full".

    Raises:
        HyperparameterError: a choice is unknown, or does not fit the rule or the parameters.
        UnknownNameError: `states` names a state that the rule does not have.
    """
    if not isinstance(rounding, str) or rounding not in ROUNDINGS:
        msg = f"rounding must be one of {', '.join(map(repr, ROUNDINGS))}, got {quoted(rounding)}."
        raise HyperparameterError(msg)
    _check_master(master, kinds)
    multiplied = _checked_products(products, rules)
    asked = _asked(states)
    if isinstance(asked, Mapping):
        _check_names(asked, rules)
    elif not any(spec.symbol.shape == "element" for rule in rules for spec in rule.states):
        msg = (
            f"{rules[0].name} has no state with a value per element, so states={asked!r} would "
            "change nothing; leave it out, or name a state: states={name: type}."
        )
        raise HyperparameterError(msg)
    found: dict[tuple[int, str], Precision] = {}
    for rule, kind in zip(rules, kinds, strict=True):
        key = id(rule), kind.name
        if key not in found:
            own = master if master and kind.name in MASTERS[master].parameters else ""
            storages = _storages(rule, kind, asked)
            found[key] = Precision(kind.name, kind.name, storages, own, rounding, multiplied)
            _check_blocks(rule, found[key])
    return [found[id(rule), kind.name] for rule, kind in zip(rules, kinds, strict=True)]


def _check_master(master: str | None, kinds: Sequence[Storage]) -> None:
    if master is None:
        return
    if not isinstance(master, str) or master not in MASTERS:
        listed = ", ".join(map(repr, MASTERS))
        msg = f"master must be one of {listed} or None, got {quoted(master)}."
        raise HyperparameterError(msg)
    fitting = MASTERS[master].parameters
    narrow = {kind.name for kind in kinds if kind.name != kind.arithmetic}
    if not narrow or not narrow <= set(fitting):
        given = ", ".join(sorted(narrow or {kind.name for kind in kinds}))
        msg = (
            f"master={master!r} extends parameters of {' or '.join(fitting)}, but there are "
            f"parameters of {given}; "
            + ("write master=None." if not narrow else "write master='float32' or 'kahan'.")
        )
        raise HyperparameterError(msg)


def _checked_products(products: str | None, rules: Sequence[Rule]) -> str:
    """Return how matrices are multiplied; raise if the choice is unknown or changes nothing."""
    if products is None:
        return "full"
    if not isinstance(products, str) or products not in PRODUCTS:
        listed = ", ".join(map(repr, PRODUCTS))
        msg = f"products must be one of {listed} or None, got {quoted(products)}."
        raise HyperparameterError(msg)
    if products != "full" and not multiplies(rules):
        msg = (
            f"{rules[0].name} multiplies no matrices, so products={products!r} would change "
            "nothing; leave it out."
        )
        raise HyperparameterError(msg)
    return products


def multiplies(rules: Sequence[Rule]) -> bool:
    """Return whether one of the rules multiplies matrices."""
    distinct = {id(rule): rule for rule in rules}.values()
    return any(line.expression.has(MatMul) for rule in distinct for line in rule.lines)


def _asked(states: Any) -> str | Mapping[str, str]:
    """Return the choice of the states' number types; raise if it is not one."""
    if states is None:
        return {}
    if isinstance(states, Mapping):
        return {name: _storage_name(kind) for name, kind in states.items()}
    return _storage_name(states)


def _storage_name(given: Any) -> str:
    """Return the name of a number type, given as text or as a dtype of NumPy."""
    name = given
    if isinstance(given, (type, np.dtype)):
        try:
            name = np.dtype(given).name
        except TypeError:  # a type that is no number
            name = given
    if not isinstance(name, str) or name not in STORAGES:
        listed = ", ".join(STORAGES)
        msg = (
            f"A state cannot be stored as {quoted(given)}; choose one of {listed}, or a dict such "
            "as {'m': 'int8'}."
        )
        raise HyperparameterError(msg)
    return name


def _check_names(asked: Mapping[str, str], rules: Sequence[Rule]) -> None:
    distinct = {id(rule): rule for rule in rules}.values()
    specs = (spec for rule in distinct for spec in rule.states)
    known = dict.fromkeys(s.public for s in specs if not isinstance(s.symbol, ObservedState))
    for name in asked:
        if name not in known:
            listed = ", ".join(known) or "none"
            msg = f"{rules[0].name} has no state {quoted(name)}; its states are: {listed}."
            raise UnknownNameError(msg)


def _storages(rule: Rule, kind: Storage, asked: str | Mapping[str, str]) -> Any:
    """Return the (name, number type) pairs of the states that differ from the arithmetic."""
    found: list[tuple[str, str]] = []
    for spec in rule.states:
        name, symbol = spec.public, spec.symbol
        if isinstance(asked, str):
            unsigned = STORAGES[asked].unsigned
            # Rules divide by roots of such states: a small one must not become 0.
            own = unsigned if unsigned and is_nonnegative(rule, symbol) else asked
            wanted = own if symbol.shape == "element" else spec.dtype
        else:
            wanted = asked.get(name, spec.dtype)
        # A float64 model asked for its accuracy; what a rule declares by itself gives way to it.
        is_own = not isinstance(asked, str) and name not in asked
        if is_own and kind.arithmetic == "float64":
            wanted = ""
        is_number = symbol.shape in ("tensor", "model")  # always float64
        if wanted and (wanted != kind.arithmetic or is_number):
            _check_fit(rule, spec, STORAGES[wanted], kind)
            found.append((symbol.name, wanted))
    return tuple(found)


def _check_blocks(rule: Rule, precision: Precision) -> None:
    """Raise if an update works row by row through an 8-bit state: rows break its blocks."""
    if not precision.has_blocks:
        return
    kernel = stages(rule, precision)["verify"]
    for block in kernel.passes:
        coded = [s for s in kernel.states if s in block.arrays and precision.state(s.name).block]
        if coded and is_structured(block, kernel):
            name = next(spec.public for spec in rule.states if spec.symbol == coded[0])
            msg = (
                f"State {name!r} of {rule.name} cannot be stored as "
                f"{precision.state(coded[0].name).name}: it is updated row by row, beside values "
                f"along axes, and rows break the blocks of {BLOCK} elements that share a scale; "
                "choose bfloat16."
            )
            raise HyperparameterError(msg)


def _check_fit(rule: Rule, spec: StateSpec, storage: Storage, kind: Storage) -> None:
    """Raise if a state cannot have a number type."""
    symbol, what = spec.symbol, f"State {spec.public!r} of {rule.name}"
    fault = ""
    if symbol.shape in ("tensor", "model"):
        fault = "is one number, which is always float64; leave it out"
    elif isinstance(symbol, MatrixState):
        fault = "is a matrix of its own for matrix functions, which need float32; leave it out"
    elif kind.arithmetic == "float64" and storage.arithmetic != "float64" and storage.itemsize < 4:
        fault = f"belongs to a {kind.name} parameter; choose float64 or float32"
    elif storage.itemsize > 4 and kind.arithmetic != "float64":
        fault = f"is computed in {kind.arithmetic}, so more bits would be zeros; leave it out"
    elif storage.block and symbol.shape != "element":
        fault = "has a value for each index of some axes, and 8 bits need one per element"
    elif storage.itemsize < 4 and is_counter(rule, symbol):
        fault = "counts, and a narrow type cannot hold large counts exactly; choose float32"
    elif not storage.is_signed and not is_nonnegative(rule, symbol):
        fault = f"may be negative, and {storage.name} cannot; choose int8"
    if fault:
        msg = f"{what} cannot be stored as {storage.name}: it {fault}."
        raise HyperparameterError(msg)
