"""Check the extra inputs of an update, such as the loss, and pass them to the engine."""

from collections.abc import Callable, Container, Mapping, Sequence
from numbers import Real
from typing import Any

from numpy.ma import MaskedArray

from learnerdsl.errors import ArrayError, HyperparameterError, UnknownNameError
from learnerdsl.learner.checks import check_form
from learnerdsl.learner.reshaping import as_seen
from learnerdsl.numbers import quoted
from learnerdsl.runtime.arrays.gradients import GradientCheck
from learnerdsl.runtime.arrays.host import Name, named_arrays
from learnerdsl.runtime.arrays.nested import flattened
from learnerdsl.runtime.engine import Engine
from learnerdsl.tracing import Rule


class ExtraInputs:
    """The extra inputs of a rule, for a learner with the given parameters.

    Args:
        rule: a traced rule.
        parameters: names of the parameters.
        is_mapping: whether arrays come in a dict, as the parameters did.
        check: called as `check(name, takes_rows=...)`; returns a `GradientCheck` for the arrays of
            that name.
        frozen: names of the parameters that are not updated.
        seen: the shape in which the rule sees each parameter; None if that is its own.
    """

    def __init__(
        self,
        rule: Rule,
        parameters: Sequence[Name],
        is_mapping: bool,
        check: Callable[..., GradientCheck],
        frozen: Container[Name] = (),
        seen: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        self.frozen = frozen
        self.seen = seen
        self.names = tuple(extra.name for extra in rule.extras)
        self.rule_name = rule.name
        self.is_mapping = is_mapping
        self.parameters = list(parameters)
        self.scalars = [extra.name for extra in rule.extras if extra.shape == "model"]
        arrays = [extra.name for extra in rule.extras if extra.shape == "element"]
        self.columns = {name: column for column, name in enumerate(arrays, 2)}
        self.checks = {name: check(name, takes_rows=False) for name in arrays}
        self.held: Any = None

    def take(self, given: Mapping[str, Any], engine: Engine, absent: Container[int] = ()) -> None:
        """Check all extras, then pass them to the engine.

        Args:
            given: name -> number or arrays.
            engine: the engine of the learner.
            absent: indices of the parameters without a gradient; these need no arrays either.

        Raises:
            LearnerError: an extra is missing, unknown, or cannot be used; nothing was changed.
        """
        self.refuse_names(given)
        numbers = {name: self.number(name, given[name]) for name in self.scalars}
        arrays = {name: self.arrays(name, given[name], absent) for name in self.columns}
        indices = range(len(self.parameters))
        found = {n: self.checks[n].check(indices, a) for n, a in arrays.items()}
        for name, checked in found.items():
            arrays_seen = as_seen(checked.arrays, indices, self.seen)
            engine.bind(self.columns[name], indices, arrays_seen, checked.addresses)
        for name, value in numbers.items():
            engine.set_extra(name, value)
        self.held = found  # the engine knows only addresses: keep the arrays alive

    def refuse_names(self, given: Mapping[str, Any]) -> None:
        """Raise unless the names given are exactly those that the rule asks for."""
        missing = [name for name in self.names if name not in given]
        if missing:
            wanted = ", ".join(f"{name}=..." for name in self.names)
            msg = f"An update of {self.rule_name} needs {wanted} besides the gradients."
            raise UnknownNameError(msg)
        unknown = [name for name in given if name not in self.names]
        if unknown:
            takes = ", ".join(self.names) or "nothing"
            msg = (
                f"An update of {self.rule_name} takes {takes} besides the gradients, "
                f"not {', '.join(unknown)}."
            )
            raise UnknownNameError(msg)

    def number(self, name: str, value: Any) -> float:
        """Return the value of an extra of shape "model"; NaN and infinity are allowed."""
        given = value
        if getattr(value, "ndim", None) == 0 and not isinstance(value, MaskedArray):
            value = value.item() if hasattr(value, "item") else value
        if not isinstance(value, bool) and isinstance(value, Real):
            try:
                return float(value)
            except OverflowError:
                msg = f"{name} is {quoted(value)}, which is too large for float64."
                raise HyperparameterError(msg) from None
        msg = f"{name} must be a number, got {quoted(given)}."
        raise HyperparameterError(msg)

    def arrays(self, name: str, given: Any, absent: Container[int]) -> list[Any]:
        """Return the arrays of an extra of shape "element", in the order of the parameters."""
        given = flattened(given) if self.is_mapping else given
        check_form(name, given, self.is_mapping)
        named = {n: a for n, a in named_arrays(given, name).items() if n not in self.frozen}
        may_miss = absent if self.is_mapping else ()
        needed = [n for k, n in enumerate(self.parameters) if k not in may_miss]
        self.checks[name].refuse_names(list(named), needed)
        arrays = [named.get(parameter) for parameter in self.parameters]
        for k, array in enumerate(arrays):
            if array is None and k not in absent:
                msg = f"The {name} of {self.parameters[k]!r} is None, but it has a gradient."
                raise ArrayError(msg)
        return arrays
