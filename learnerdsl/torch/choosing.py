"""Optimizers that update each parameter by one of several rules, which a function chooses."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError, RuleError, UnknownNameError
from learnerdsl.numbers import quoted
from learnerdsl.torch.interface import RULE, Choice, Group, Interface
from learnerdsl.torch.optimizer import Optimizer
from learnerdsl.torch.partial import refuse_divided_groups

RESERVED = (RULE, "params", "closure", "states", "master", "rounding", "nonfinite", "seed")


@dataclass(frozen=True)
class Choosing(Interface):
    """The interface of a class with several rules; `choosing` makes one.

    Attributes:
        rules: name -> interface of a rule.
        updates: name -> rule.
    """

    rules: Mapping[str, Interface] = field(default_factory=dict[str, Interface])
    updates: Mapping[str, UpdateRule] = field(default_factory=dict[str, UpdateRule])

    @property
    def documentation(self) -> str:
        """What the class says of itself."""
        names = ", ".join(f"{key} by `{one.name}`" for key, one in self.updates.items())
        return f"Updates each parameter by the rule that a function chooses: {names}."

    def of(self, group: Group) -> Interface:
        """Return the interface of the rule of a group; raise if there is none."""
        return self.known(group.get(RULE), "A group")

    def known(self, key: Any, what: str) -> Interface:
        """Return the interface of the rule with this name; raise if there is none."""
        if not isinstance(key, str) or key not in self.rules:
            listed = ", ".join(map(repr, self.rules))
            msg = f"{what} of {self.name} has the rule {quoted(key)}; there are {listed}."
            raise UnknownNameError(msg)
        return self.rules[key]

    def knows(self, name: str) -> bool:
        """Return whether `name` is a rule or an argument of one; groups may have other keys."""
        return name in self.rules or any(one.has(name) for one in self.rules.values())

    def folded(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a group with those that have the rule's name under ours."""
        return self.of(given).folded(given)

    def divided(self, given: Mapping[str, Any], keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return name of a rule -> those of the given arguments that it has.

        Args:
            given: arguments of all rules that have them, or name of a rule -> dict of its own.
            keys: the rules that get arguments.

        Raises:
            UnknownNameError: none of these rules has an argument.
        """
        plain = {n: v for n, v in given.items() if n not in self.rules}
        found: dict[str, dict[str, Any]] = {}
        for key in keys:
            one = self.rules[key]
            own = given.get(key, {})
            if not isinstance(own, Mapping):
                msg = f"{key} of {self.name} must be a dict of arguments, got {quoted(own)}."
                raise HyperparameterError(msg)
            usable = {n: v for n, v in plain.items() if one.has(n)}
            found[key] = {**one.folded(usable), **one.folded(own)}
        for name in plain:
            if not any(self.rules[key].has(name) for key in keys):
                listed = "; ".join(f"{k} has {', '.join(self.rules[k].defaults)}" for k in keys)
                msg = f"No rule of {self.name} has an argument {name!r}: {listed}."
                raise UnknownNameError(msg)
        return found


def choosing(
    name: str, rules: Mapping[str, Interface], updates: Mapping[str, UpdateRule]
) -> Choosing:
    """Return the interface of a class with several rules.

    Args:
        name: name of the class.
        rules: name -> interface of a rule.
        updates: name -> rule.

    Raises:
        RuleError: a rule cannot have its name, since an argument has it.
    """
    known = {argument for one in rules.values() for argument in one.defaults}
    for key in rules:
        if not isinstance(key, str) or key in known or key in RESERVED:
            msg = f"{name} cannot name a rule {quoted(key)}: it must be a text, and no argument."
            raise RuleError(msg)
    names = [rule.name for rule in {id(rule): rule for rule in updates.values()}.values()]
    if len(set(names)) < len(names):
        msg = (
            f"{name} has two rules with one name: {', '.join(names)}; give them names of their "
            "own: chain(rule, name=...)."
        )
        raise RuleError(msg)
    first = next(iter(rules.values()))
    each = [set(one.defaults) for one in rules.values()]
    common = {n: v for n, v in first.defaults.items() if all(n in own for own in each)}

    def choose(group: Group) -> Choice:
        return made.of(group).choose(group)

    made = Choosing(name, common, choose, first.described, rules=rules, updates=updates)
    return made


class ChoosingOptimizer(Optimizer):
    """Updates each parameter by one of several rules; `optimizer_class` makes subclasses.

    A group is divided into one group for each rule that its parameters have, in the order of the
    rules, unless it says which by `"rule"`. If a rule computes anything over the whole model, all
    rules are in one learner.

    Args:
        params: as in `Optimizer`.
        arguments: a dict of arguments for one rule, by its name, and arguments that every rule has
            that knows them; also `states`, `master`, `rounding`, `nonfinite` and `seed`.

    Raises:
        LearnerError: an argument or a parameter cannot be used.
    """

    interface: ClassVar[Choosing]  # type: ignore[misc]
    choose: ClassVar[Callable[[str | None, torch.Tensor], str]]

    def _defaults(self, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that all rules have, and keep those of each rule."""
        if positional:
            listed = ", ".join(self.interface.rules)
            msg = f"{self.interface.name} takes arguments by name: {listed}, and those of all."
            raise HyperparameterError(msg)
        keys = list(self.interface.rules)
        given = self.interface.divided(named, keys)
        self._of_rules = {k: self.interface.rules[k].arguments((), given[k]) for k in keys}
        first = self._of_rules[keys[0]]
        return {name: first[name] for name in self.interface.defaults}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, in one group for each rule; see `Optimizer.add_param_group`.

        Raises:
            LearnerError: an argument or a parameter cannot be used, or `choose` returned no name of
                a rule; nothing was added.
        """
        count = len(self.param_groups)
        try:
            for group in self._divided(dict(param_group)):
                super().add_param_group(group)
        except BaseException:
            del self.param_groups[count:]
            raise

    def _divided(self, group: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the groups that a given one is divided into."""
        params = group.pop("params")
        if isinstance(params, set):  # which torch refuses
            yield {"params": params, RULE: next(iter(self._of_rules))}
        names = group.pop("param_names", None)
        params = [params] if isinstance(params, torch.Tensor) else list(params)
        if names is not None:
            params = list(zip(names, params, strict=True))
        if RULE in group:
            chosen = {group.pop(RULE): params}
        else:
            refuse_divided_groups(self.interface.name)
            chosen = self._chosen(params)
        for key in chosen:
            self.interface.known(key, "A group")
        given = {n: v for n, v in group.items() if self.interface.knows(n)}
        others = {n: v for n, v in group.items() if n not in given}
        divided = self.interface.divided(given, list(chosen))
        for key, own in chosen.items():
            yield {"params": own, **self._of_rules[key], **others, **divided[key], RULE: key}

    def _chosen(self, params: Sequence[Any]) -> dict[str, list[Any]]:
        """Return name of a rule -> its parameters; raise if `choose` returned no such name."""
        chosen: dict[str, list[Any]] = {key: [] for key in self.interface.rules}
        for one in params:
            name, tensor = one if isinstance(one, tuple) else (None, one)
            key = type(self).choose(name, tensor)
            what = f"Parameter {name!r}" if name is not None else "A parameter"
            self.interface.known(key, f"{what} of shape {tuple(tensor.shape)}")
            chosen[key].append(one)
        return {key: own for key, own in chosen.items() if own}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_of_rules": self._of_rules}
