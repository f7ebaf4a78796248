"""Hold the hyperparameters of a learner: numbers or schedules, one set for each group."""

import math
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
    Set,
)
from typing import Any

import sympy

from learnerdsl.errors import (
    HyperparameterError,
    NoGroupError,
    UnknownAttributeError,
    UnknownNameError,
)
from learnerdsl.expr import Hyperparameter, Reduction, nodes, symbols_in
from learnerdsl.numbers import as_number, quoted
from learnerdsl.runtime.engine import Engine
from learnerdsl.schedules import Schedule
from learnerdsl.tracing import Rule

Setting = float | Callable[[int], float]


class Hyperparameters(MutableMapping[str, float]):
    """The hyperparameters of one group, readable and settable while training.

    Reading an item returns the value that the next update will use. Setting one takes a number, a
    schedule, a function of the step, or a SymPy expression of `learnerdsl.step`, and never
    recompiles. Items are attributes too: `learner.hyperparameters.lr = 0.1`.
    """

    __slots__ = ("_group", "_table")
    _table: "HyperTable"
    _group: int

    def __init__(self, table: "HyperTable", group: int) -> None:
        object.__setattr__(self, "_table", table)
        object.__setattr__(self, "_group", group)

    def __getitem__(self, name: str) -> float:
        setting = self.setting(name)
        return self._table.evaluate(name, setting) if callable(setting) else setting

    def __setitem__(self, name: str, value: Any) -> None:
        self._table.refuse_foreign(self._group, name)  # a dict refuses what cannot be hashed
        self._table.set(self._group, {name: value})

    def __delitem__(self, name: str) -> None:
        self._table.index(name)
        msg = f"{name!r} cannot be deleted, as the rule needs it; set it to another value."
        raise HyperparameterError(msg)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.own[self._group])

    def __len__(self) -> int:
        return len(self._table.own[self._group])

    def update(self, *given: Any, **named: Any) -> None:
        """Set several hyperparameters, or none of them if one cannot be set."""
        try:
            values = dict(*given, **named)
        except (TypeError, ValueError):
            msg = f"update takes a dict or keywords, got {', '.join(map(quoted, given))}."
            raise HyperparameterError(msg) from None
        self._table.set(self._group, values)

    def __getattr__(self, name: str) -> float:
        """Return the hyperparameter of this name; methods of a mapping take precedence."""
        if name.startswith("_"):
            raise AttributeError(name)
        self._refuse_unknown(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            msg = (
                f"{name} is a method of hyperparameters, so it cannot be set as an attribute; "
                f"write hyperparameters[{name!r}] = ..."
            )
            raise UnknownAttributeError(msg)
        self._refuse_unknown(name)
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def _refuse_unknown(self, name: str) -> None:
        """Raise an AttributeError for an unknown name, as `hasattr` expects."""
        try:
            self._table.refuse_foreign(self._group, name)
        except UnknownNameError as error:
            raise UnknownAttributeError(str(error)) from None

    def setting(self, name: str) -> Setting:
        """Return what was set: a number, or the schedule that computes one."""
        self._table.refuse_foreign(self._group, name)
        return self._table.settings[self._group].get(name, self._table.settings[0][name])

    def __reduce__(self) -> tuple[Any, ...]:
        # This is a view of the tables of a learner, so a copy has only the values.
        return dict, (dict(self),)

    def shown(self) -> list[tuple[str, Setting, float | None]]:
        """Return name, setting and value of each; None for a schedule without a next value."""
        found: list[tuple[str, Setting, float | None]] = []
        for name in self:
            try:
                value = self[name]
            except Exception:  # of a function of the caller
                value = None
            found.append((name, self.setting(name), value))
        return found

    def __repr__(self) -> str:
        shown = [(name, own if value is None else value) for name, own, value in self.shown()]
        return f"Hyperparameters({', '.join(f'{k}={v!r}' for k, v in shown)})"


class GroupViews(tuple[Hyperparameters, ...]):
    """The hyperparameters of the groups, in the order in which the groups were given."""

    __slots__ = ()

    def __getitem__(self, number: Any) -> Any:
        try:
            return super().__getitem__(number)
        except (IndexError, TypeError):
            there = f"are {len(self)}, numbered from 0" if self else "are none"
            msg = (
                f"There is no group {quoted(number)}: there {there}. The parameters that are in no "
                "group have learner.hyperparameters."
            )
            raise NoGroupError(msg) from None


class HyperTable:
    """The settings of all groups; copies their values into an engine.

    Args:
        rule: a traced rule.
        given: settings that replace the defaults of the rule, for group 0.
        overrides: for each further group, the settings that differ from those of group 0.
        own: for each group, the names of the hyperparameters that its parameters use.
    """

    def __init__(
        self,
        rule: Rule,
        given: Mapping[str, Any],
        overrides: Sequence[Mapping[str, Any]],
        own: Sequence[Sequence[str]],
    ) -> None:
        if not isinstance(given, Mapping):
            msg = f"hyperparameters must be a dict of names and values, got {quoted(given)}."
            raise HyperparameterError(msg)
        self.rule = rule
        self.names = [symbol.name for symbol in rule.hyperparameters]
        self.own = own
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
        """Send every value to the engine, now and whenever one is set."""
        self.engine = engine
        self.step_count = lambda: engine.planned_steps
        self.publish()

    def publish(self) -> None:
        """Copy fixed values into the engine and list the scheduled ones."""
        self.scheduled = []
        for group in range(len(self.settings)):
            for name in self.own[group]:
                index = self.names.index(name)
                setting = Hyperparameters(self, group).setting(name)
                if callable(setting):
                    self.scheduled.append((group, name, setting))
                elif self.engine is not None:
                    self.engine.set_hyperparameter(group, index, setting)

    def refresh(self) -> None:
        """Evaluate all schedules for the next update, then send their values to the engine."""
        values = [
            (group, self.names.index(name), self.evaluate(name, schedule))
            for group, name, schedule in self.scheduled
        ]
        for group, index, value in values:
            if self.engine is not None:
                self.engine.set_hyperparameter(group, index, value)

    def evaluate(
        self, name: str, schedule: Callable[[int], float], step: int | None = None
    ) -> float:
        """Return the value of a schedule at `step`, or at the next update if `step` is None.

        Raises:
            HyperparameterError: the schedule has no value there.
        """
        step = self.step_count() + 1 if step is None else step
        try:
            value = schedule(step)
        except HyperparameterError as error:
            msg = f"The hyperparameter {name!r} has no value at step {step}: {error}"
            raise HyperparameterError(msg) from error
        number = as_number(value)
        if number is None or math.isnan(number):
            msg = (
                f"The schedule of {name!r} returned {quoted(value)} at step {step}; "
                "a schedule must return a number that is not NaN."
            )
            raise HyperparameterError(msg)
        return number

    def set(self, group: int, given: Mapping[str, Any]) -> None:
        """Set hyperparameters of one group, all of them or none."""
        for name in given:
            self.refuse_foreign(group, name)
            if group:
                self.refuse_split(name)
        values = {name: self.checked(name, value) for name, value in given.items()}
        own = Hyperparameters(self, group)
        has_schedules = any(callable(v) or callable(own.setting(n)) for n, v in values.items())
        self.settings[group] |= values
        if has_schedules:
            self.publish()
        else:
            self.send(group, values)

    def send(self, group: int, values: Mapping[str, Any]) -> None:
        """Copy numbers of one group into the engine, also for groups that have none of their own.

        Setting one group after the other would take quadratic time if each sent all groups.
        """
        for name, value in values.items():
            index, numbers = self.names.index(name), [group]
            if not group:
                pairs = enumerate(zip(self.settings, self.own, strict=True))
                numbers += [k for k, (own, used) in pairs if name not in own and name in used]
            for number in numbers:
                if self.engine is not None:
                    self.engine.set_hyperparameter(number, index, value)

    def replace(self, settings: Sequence[Mapping[str, Setting]]) -> None:
        """Replace the settings of all groups by checked ones."""
        self.settings = [dict(own) for own in settings]
        self.publish()

    def checked(self, name: str, value: Any) -> Setting:
        """Return `value` as a setting, or raise an error that lists what can be set."""
        self.index(name)
        number = as_number(value)
        if number is not None and not math.isnan(number):
            return number
        if isinstance(value, sympy.Expr):
            if not value.is_number:
                return Schedule(value)
        elif callable(value) and not isinstance(value, type):
            schedule: Callable[..., Any] = value
            return schedule
        msg = (
            f"Hyperparameter {name!r} of {self.rule.name} cannot be {quoted(value)}; "
            "give a number, a schedule, a function of the step, or a SymPy expression of "
            "learnerdsl.step."
        )
        raise HyperparameterError(msg)

    def index(self, name: str) -> int:
        """Return the index of a hyperparameter, or raise an error that lists the known ones."""
        if not isinstance(name, str) or name not in self.names:
            known = ", ".join(self.names) or "none"
            msg = f"{self.rule.name} has no hyperparameter {quoted(name)}; it has: {known}."
            if isinstance(name, str) and name in dict(self.rule.options):
                msg = (
                    f"{name!r} is an option of {self.rule.name}, which a learner has from the "
                    "beginning; make a new learner with another one."
                )
            raise UnknownNameError(msg)
        return self.names.index(name)

    def refuse_foreign(self, group: int, name: str) -> None:
        """Raise if no parameter of a group has a use for a hyperparameter."""
        self.index(name)
        if name not in self.own[group]:
            msg = (
                f"{name!r} of {self.rule.name} belongs to the rule of other parameters; those of "
                f"this group have: {', '.join(self.own[group]) or 'none'}."
            )
            raise UnknownNameError(msg)

    def refuse_split(self, name: str) -> None:
        """Raise if a model-wide state depends on the hyperparameter, so that it needs one value."""
        if name in self.one_for_all:
            msg = (
                f"{name!r} of {self.rule.name} cannot differ between groups: the state "
                f"{self.one_for_all[name]!r}, one scalar for the whole model, is computed from it; "
                "set it for all parameters."
            )
            raise HyperparameterError(msg)

    def values(self, groups: Sequence[int], needed: Set[str], step: int) -> list[dict[str, float]]:
        """Return for each parameter the values of its group at a step.

        Values that are not needed are NaN, because their schedules may have no value at this step.

        Args:
            groups: for each parameter, the index of its group.
            needed: names of the hyperparameters to evaluate.
            step: number of the update, counted from 1.
        """
        found: dict[int, dict[str, float]] = {}
        for group in dict.fromkeys(groups):
            view = Hyperparameters(self, group)
            found[group] = dict.fromkeys(self.names, math.nan)
            for name in needed & set(view):
                setting = view.setting(name)
                value = self.evaluate(name, setting, step) if callable(setting) else setting
                found[group][name] = value
        return [found[group] for group in groups]


def names_of_groups(rules: Sequence[Rule], groups: Sequence[int], count: int) -> list[list[str]]:
    """Return for each group the hyperparameters that its parameters use; all if it has none.

    Args:
        rules: the rule of each parameter.
        groups: the group of each parameter.
        count: the number of groups.
    """
    foreign: dict[int, set[str]] = {}
    for rule, group in zip(rules, groups, strict=True):
        foreign[group] = foreign.get(group, set(rule.foreign)) & rule.foreign
    names = [symbol.name for symbol in rules[0].hyperparameters]
    return [[n for n in names if n not in foreign.get(k, ())] for k in range(count)]


def hyperparameters_in(rules: Iterable[Rule], expressions: Iterable[Any]) -> set[str]:
    """Return the names of the hyperparameters that expressions of these rules depend on."""
    needed = symbols_in(*map(sympy.sympify, expressions))
    for rule in rules:
        for line in reversed(rule.lines):
            if line.value in needed:
                needed |= symbols_in(line.expression)
    return {symbol.name for symbol in needed if isinstance(symbol, Hyperparameter)}


def shared_hyperparameters(rule: Rule) -> dict[str, str]:
    """Map each hyperparameter that a model-wide state depends on to the name of that state."""
    shared: dict[str, str] = {}
    start: dict[Any, Any] = {spec.symbol: spec.init for spec in rule.states}
    for state in (
        line.target for line in rule.lines if getattr(line.target, "shape", "") == "model"
    ):
        needed = {state, *symbols_in(start[state])}
        for line in reversed(rule.lines):
            if line.target in needed or line.value in needed:
                sums = {n for n in nodes([line.expression]) if _is_over_model(n)}
                needed |= {n for n in nodes([line.expression], sums) if n.is_Symbol}
        shared |= {s.name: state.name for s in needed if isinstance(s, Hyperparameter)}
    return shared


def _is_over_model(node: Any) -> bool:
    return isinstance(node, Reduction) and node.over == "model"
