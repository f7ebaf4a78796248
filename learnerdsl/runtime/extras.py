"""What an update is given beside the gradients: checked, and handed to the engine."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from learnerdsl.errors import ArrayError, HyperparameterError, UnknownNameError
from learnerdsl.rule import Rule
from learnerdsl.runtime.engine import Engine
from learnerdsl.runtime.memory import GradientCheck, Name, named_arrays


class ExtraInputs:
    """The extras of a rule at work on some parameters.

    Args:
        rule: a traced rule.
        parameters: their names.
        is_mapping: whether arrays come in a dict, as the parameters did.
        check: function of what arrays are that makes a check of them.
    """

    def __init__(
        self,
        rule: Rule,
        parameters: Sequence[Name],
        is_mapping: bool,
        check: Callable[[str], GradientCheck],
    ) -> None:
        self.names = tuple(extra.name for extra in rule.extras)
        self.rule_name = rule.name
        self.is_mapping = is_mapping
        self.parameters = list(parameters)
        self.scalars = [extra.name for extra in rule.extras if extra.shape == "model"]
        arrays = [extra.name for extra in rule.extras if extra.shape == "element"]
        self.columns = {name: column for column, name in enumerate(arrays, 2)}
        self.checks = {name: check(name) for name in arrays}

    def take(self, given: Mapping[str, Any], engine: Engine) -> None:
        """Check all of them, then give them to the engine.

        Raises:
            LearnerError: one is missing, unknown, or cannot be used; nothing has changed then.
        """
        self.refuse_names(given)
        numbers = {name: self.number(name, given[name]) for name in self.scalars}
        arrays = {name: self.arrays(name, given[name]) for name in self.columns}
        indices = range(len(self.parameters))
        found = {n: self.checks[n].addresses(indices, a) for n, a in arrays.items()}
        for name, addresses in found.items():
            engine.bind(self.columns[name], indices, arrays[name], addresses)
        for name, value in numbers.items():
            engine.set_extra(name, value)

    def refuse_names(self, given: Mapping[str, Any]) -> None:
        """Raise unless what is given is what the rule asks for."""
        missing = [name for name in self.names if name not in given]
        if missing:
            wanted = ", ".join(f"{name}=..." for name in self.names)
            msg = f"An update of {self.rule_name} needs {wanted} beside the gradients."
            raise UnknownNameError(msg)
        unknown = [name for name in given if name not in self.names]
        if unknown:
            takes = ", ".join(self.names) or "nothing"
            msg = (
                f"An update of {self.rule_name} takes {takes} beside the gradients, "
                f"not {', '.join(unknown)}."
            )
            raise UnknownNameError(msg)

    def number(self, name: str, value: Any) -> float:
        """The value of an extra of shape "model"; NaN and infinity are passed on."""
        if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, Real):
            msg = f"{name} must be a number, got {value!r}."
            raise HyperparameterError(msg)
        return float(value)

    def arrays(self, name: str, given: Any) -> list[Any]:
        """The arrays of an extra of shape "element", in the order of the parameters."""
        if self.is_mapping != isinstance(given, Mapping):
            form = "a dict" if self.is_mapping else "a list"
            msg = f"{name} must be {form}, as the parameters are; got {type(given).__name__}."
            raise ArrayError(msg)
        named = named_arrays(given, name)
        self.checks[name].refuse_names(list(named))
        return [named[parameter] for parameter in self.parameters]
