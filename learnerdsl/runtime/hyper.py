"""Hyperparameters of a learner: numbers or schedules, for all parameters or for groups of them."""

import contextlib
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import sympy

from learnerdsl.errors import HyperparameterError, UnknownNameError
from learnerdsl.expr import Hyperparameter, Reduction
from learnerdsl.rule import Rule
from learnerdsl.runtime.engine import Engine
from learnerdsl.runtime.memory import Name
from learnerdsl.schedules import Schedule

Setting = float | Callable[[int], float]


class Hyperparameters(Mapping[str, float]):
    """The hyperparameters of one group, readable and settable while training.

    Reading gives the value in force at the coming update; setting takes a number, a schedule, any
    function of the step, or a SymPy expression of `learnerdsl.step`, and never recompiles.
    """

    def __init__(self, table: "HyperTable", group: int) -> None:
        self._table = table
        self._group = group

    def __getitem__(self, name: str) -> float:
        setting = self.setting(name)
        return self._table.evaluate(name, setting) if callable(setting) else setting

    def __setitem__(self, name: str, value: Any) -> None:
        self._table.set(self._group, name, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.names)

    def __len__(self) -> int:
        return len(self._table.names)

    def setting(self, name: str) -> Setting:
        """What was set: a number, or the schedule that gives one."""
        self._table.index(name)
        return self._table.settings[self._group].get(name, self._table.settings[0][name])

    def __repr__(self) -> str:
        return f"Hyperparameters({', '.join(f'{k}={v!r}' for k, v in self.items())})"


class HyperTable:
    """Settings of all groups, and the copying of their values into an engine.

    Args:
        rule: a traced rule.
        given: settings that replace the rule's defaults.
        overrides: for each further group, the settings that differ in it.
    """

    def __init__(
        self, rule: Rule, given: Mapping[str, Any], overrides: Sequence[Mapping[str, Any]]
    ) -> None:
        self.rule = rule
        self.names = [symbol.name for symbol in rule.hyperparameters]
        defaults = dict(zip(self.names, rule.defaults, strict=True))
        self.settings: list[dict[str, Setting]] = []
        for values in ({**defaults, **given}, *overrides):
            self.settings.append({n: self.checked(n, value) for n, value in values.items()})
        self.one_for_all = shared_hyperparameters(rule)
        for values in self.settings[1:]:
            for name in values:
                self.refuse_split(name)
        self.step_count: Callable[[], int] = lambda: 0
        self.engine: Engine | None = None
        self.scheduled: list[tuple[int, str, Callable[[int], float]]] = []

    def attach(self, engine: Engine) -> None:
        """Give every value to the engine, now and whenever one is set."""
        self.engine = engine
        self.step_count = lambda: engine.planned_steps
        self.publish()

    def publish(self) -> None:
        """Copy fixed values into the engine and list the scheduled ones."""
        self.scheduled = []
        for group in range(len(self.settings)):
            for index, name in enumerate(self.names):
                setting = Hyperparameters(self, group).setting(name)
                if callable(setting):
                    self.scheduled.append((group, name, setting))
                elif self.engine is not None:
                    self.engine.set_hyperparameter(group, index, setting)

    def refresh(self) -> None:
        """Evaluate the schedules for the coming update; all of them before any is used."""
        values = [
            (group, self.names.index(name), self.evaluate(name, schedule))
            for group, name, schedule in self.scheduled
        ]
        for group, index, value in values:
            if self.engine is not None:
                self.engine.set_hyperparameter(group, index, value)

    def evaluate(self, name: str, schedule: Callable[[int], float]) -> float:
        """The value of a schedule at the coming update."""
        step = self.step_count() + 1
        try:
            value = schedule(step)
        except (ArithmeticError, ValueError, TypeError) as error:
            if not isinstance(schedule, Schedule):
                raise
            msg = f"The schedule of {name!r} has no value at step {step}: {error}."
            raise HyperparameterError(msg) from None
        if isinstance(value, str) or not isinstance(value, Real) or math.isnan(value):
            msg = (
                f"The schedule of {name!r} returned {value!r} at step {step}; "
                "a schedule returns a number that is not NaN."
            )
            raise HyperparameterError(msg)
        return float(value)

    def set(self, group: int, name: str, value: Any) -> None:
        """Change a setting of one group."""
        if group:
            self.refuse_split(name)
        self.settings[group][name] = self.checked(name, value)
        self.publish()

    def checked(self, name: str, value: Any) -> Setting:
        """A setting that can be used, or an error that says what can."""
        self.index(name)
        if isinstance(value, sympy.Expr) and not value.is_number:
            return Schedule(value)
        if callable(value) and not isinstance(value, sympy.Expr):
            schedule: Callable[..., Any] = value
            return schedule
        if isinstance(value, (Real, sympy.Expr)) and not isinstance(value, bool):
            with contextlib.suppress(TypeError, OverflowError):
                number = float(value)
                if not math.isnan(number):
                    return number
        msg = (
            f"Hyperparameter {name!r} of {self.rule.name} cannot be {value!r}; give a number, a "
            "schedule, a function of the step, or a SymPy expression of learnerdsl.step."
        )
        raise HyperparameterError(msg)

    def index(self, name: str) -> int:
        """Number of the hyperparameter, or an error that lists the known ones."""
        if name not in self.names:
            known = ", ".join(self.names) or "none"
            msg = f"{self.rule.name} has no hyperparameter {name!r}; it has: {known}."
            raise UnknownNameError(msg)
        return self.names.index(name)

    def refuse_split(self, name: str) -> None:
        """A state of the whole model cannot follow values that differ between groups."""
        if name in self.one_for_all:
            msg = (
                f"{name!r} of {self.rule.name} cannot differ between groups: the state "
                f"{self.one_for_all[name]!r}, one scalar for the whole model, is computed from it."
            )
            raise HyperparameterError(msg)

    def values(self, groups: Sequence[int]) -> list[dict[str, float]]:
        """For each parameter, the values of its group at the coming update."""
        return [dict(Hyperparameters(self, group)) for group in groups]


def shared_hyperparameters(rule: Rule) -> dict[str, str]:
    """Hyperparameters that a state of the whole model depends on, with that state's name."""
    shared: dict[str, str] = {}
    start: dict[Any, Any] = {spec.symbol: spec.init for spec in rule.states}
    for state in (
        line.target for line in rule.lines if getattr(line.target, "shape", "") == "model"
    ):
        needed = {state, *start[state].free_symbols}
        for line in reversed(rule.lines):
            if line.target in needed or line.value in needed:
                outside = line.expression.replace(
                    lambda node: isinstance(node, Reduction) and node.over == "model",
                    lambda node: sympy.S.Zero,
                )
                needed |= outside.free_symbols
        shared |= {s.name: state.name for s in needed if isinstance(s, Hyperparameter)}
    return shared


def group_numbers(
    names: Sequence[Name], groups: Sequence[Mapping[str, Any]]
) -> tuple[list[int], list[dict[str, Any]]]:
    """For each parameter the number of its group, and the settings of each further group.

    Args:
        names: names of the parameters.
        groups: mappings with "params" (names or indices) and hyperparameters.
    """
    numbers: dict[Any, int] = dict.fromkeys(names, 0)
    overrides: list[dict[str, Any]] = []
    if not isinstance(groups, Iterable):
        msg = f"groups is a list of dicts, got {groups!r}."
        raise HyperparameterError(msg)
    for number, group in enumerate(groups, 1):
        if not isinstance(group, Mapping) or "params" not in group:
            msg = f"A group is a dict such as {{'params': ['b'], 'lr': 0.0}}, got {group!r}."
            raise HyperparameterError(msg)
        if isinstance(group["params"], str) or not isinstance(group["params"], Iterable):
            msg = f"Group {number} has params={group['params']!r}; write [{group['params']!r}]."
            raise HyperparameterError(msg)
        for name in group["params"]:
            if not isinstance(name, Hashable) or name not in numbers:
                known = ", ".join(map(repr, list(names)[:8]))
                msg = f"Group {number} names {name!r}, which is not a parameter; there are {known}."
                raise UnknownNameError(msg)
            if numbers[name]:
                msg = f"Parameter {name!r} is in groups {numbers[name]} and {number}; name it once."
                raise HyperparameterError(msg)
            numbers[name] = number
        overrides.append({k: v for k, v in group.items() if k != "params"})
    return list(numbers.values()), overrides
