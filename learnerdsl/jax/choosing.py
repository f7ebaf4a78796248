"""Choose the rule of each parameter: one rule for all, or one for each of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError, RuleError
from learnerdsl.jax.checks import check_options
from learnerdsl.jax.programs import Model, Models, joined_model, models_of, states_of
from learnerdsl.jax.values import Setting, setting
from learnerdsl.learner.checks import rule_for
from learnerdsl.learner.hyperparameters import shared_hyperparameters
from learnerdsl.mixed import ByParameter, arguments_of_groups
from learnerdsl.numbers import quoted
from learnerdsl.tracing import DEFAULT_SHAPE, Rule


@dataclass(frozen=True)
class Chosen:
    """The rules of a model's parameters, and their hyperparameters.

    Attributes:
        model: the rules.
        groups: for each parameter, the index of its settings.
        settings: symbol -> setting of all hyperparameters, for each group.
        states: names of the states of tensors.
    """

    model: Model
    groups: list[int]
    settings: list[dict[Any, Setting]]
    states: list[str]


class Choice(Protocol):
    """How the rule of each parameter is chosen.

    Attributes:
        name: what error messages call the rule.
    """

    name: str

    def rules_for(
        self, names: Sequence[str], shapes: Sequence[tuple[int, ...]], groups: list[int]
    ) -> Chosen:
        """Return the rules of some parameters.

        Args:
            names: their paths in the tree.
            shapes: their shapes.
            groups: the indices of their groups.

        Raises:
            LearnerError: a rule cannot be used.
        """
        ...


class OneRule:
    """One rule for all parameters; see `Choice`.

    Args:
        rule: the rule.
        arguments: hyperparameters and options.
        overrides: those that differ, for each group.

    Attributes:
        models: the rule with the options of each group.
        of_groups: the settings of each group.
    """

    def __init__(
        self, rule: UpdateRule, arguments: Mapping[str, Any], overrides: Iterable[Mapping[str, Any]]
    ) -> None:
        self.name = rule.name
        self.models: list[Models] = []
        self.of_groups: list[dict[str, Setting]] = []
        for own in overrides:
            options, given = _divided(rule, {**arguments, **own})
            rule._refuse_unknown(given)
            self.models.append(models_of(rule, options))
            self.of_groups.append(_settings(rule, given))

    @property
    def states(self) -> list[str]:
        """Return the names of the states of all groups, also for shapes that the model lacks."""
        return list(dict.fromkeys(name for models in self.models for name in models.states))

    def rules_for(
        self, names: Sequence[str], shapes: Sequence[tuple[int, ...]], groups: list[int]
    ) -> Chosen:
        """Return the rule for some parameters; see `Choice`."""
        first = self.models[0]
        each = zip(groups, names, shapes, strict=True)
        rules = [rule_for(self.models[group].traced, name, shape) for group, name, shape in each]
        traced = rules[0] if rules else first.traced(DEFAULT_SHAPE)
        zeros = _zeros([_defaults(traced) | own for own in self.of_groups])
        if all(models is first for models in self.models) or not rules:
            model = first.of(shapes, zeros)
        else:
            model = joined_model(rules, shapes, zeros)
        return _chosen(model, groups, self.of_groups, self.states)


class RuleForEach:
    """A rule for each parameter, by its path and its shape; see `Choice`.

    Args:
        rule: what `by_parameter` made.
        arguments: hyperparameters and options of all rules, or dicts of those of one.
        overrides: the same for each group, where they differ.
    """

    name = "by_parameter"

    def __init__(
        self,
        rule: ByParameter,
        arguments: Mapping[str, Any],
        overrides: Sequence[Mapping[str, Any]],
    ) -> None:
        self.rule = rule
        self.arguments = arguments
        self.overrides = overrides[1:]  # the first is of the parameters of no group

    def rules_for(
        self, names: Sequence[str], shapes: Sequence[tuple[int, ...]], groups: list[int]
    ) -> Chosen:
        """Return the rules of some parameters; see `Choice`."""
        chosen = list(self.rule.rules(dict(zip(names, shapes, strict=True))).values())
        if not chosen:
            msg = "by_parameter chooses a rule for each parameter, and the tree has none."
            raise RuleError(msg)
        of_groups = arguments_of_groups(self.arguments, self.overrides, chosen)
        keys = [(group, rule.name) for group, rule in zip(groups, chosen, strict=True)]
        rules = dict(zip(keys, chosen, strict=True))
        places = {key: place for place, key in enumerate(rules)}
        given = {key: _divided(rule, of_groups[key[0]][key[1]]) for key, rule in rules.items()}
        traced = [
            rule_for(rule._with(**given[key][0]), name, shape)
            for rule, name, shape, key in zip(chosen, names, shapes, keys, strict=True)
        ]
        defaults = {key: _defaults(own) for key, own in zip(keys, traced, strict=True)}
        settings = [defaults[key] | _settings(rule, given[key][1]) for key, rule in rules.items()]
        model = joined_model(traced, shapes, _zeros(settings))
        own = [places[key] for key in keys]
        return _chosen(model, own, settings, states_of(traced))


def _divided(
    rule: UpdateRule, arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options and the hyperparameters among arguments.

    Raises:
        HyperparameterError: an option is a value that JAX traces.
    """
    options = {n: v for n, v in arguments.items() if n in rule._option_names}
    check_options(rule.name, options)
    return options, {n: v for n, v in arguments.items() if n not in options}


def _settings(rule: UpdateRule, given: Mapping[str, Any]) -> dict[str, Setting]:
    """Return name -> setting of the hyperparameters that were given."""
    return {n: setting(rule.name, n, v) for n, v in given.items()}


def _defaults(rule: Rule) -> dict[str, Setting]:
    """Return name -> setting of all hyperparameters of a traced rule."""
    pairs = zip(rule.hyperparameters, rule.defaults, strict=True)
    return {h.name: Setting(h.name, value) for h, value in pairs}


def _zeros(settings: Sequence[Mapping[str, Setting]]) -> frozenset[str]:
    """Return the names of the hyperparameters that are the number 0 wherever they are."""
    names = {name for own in settings for name in own}
    return frozenset(
        name for name in names if all(own[name].static == 0 for own in settings if name in own)
    )


def _chosen(
    model: Model, groups: list[int], given: Sequence[Mapping[str, Setting]], states: list[str]
) -> Chosen:
    """Return the rules with the settings of all their hyperparameters.

    Raises:
        HyperparameterError: groups differ where a state of the whole model needs one value.
    """
    every = [{**_defaults(model.rule), **own} for own in given]
    first, *others = every
    for name, state in shared_hyperparameters(model.rule).items():
        for own in others:
            one, other = first[name], own[name]
            if one.static != other.static or (one.static is None and one.given is not other.given):
                msg = (
                    f"{name!r} cannot differ between groups of {model.rule.name}: the state "
                    f"{state!r}, one scalar for the whole model, is computed from it; there are "
                    f"{quoted(one.given)} and {quoted(other.given)}."
                )
                raise HyperparameterError(msg)
    symbols = model.rule.hyperparameters
    return Chosen(model, groups, [{h: own[h.name] for h in symbols} for own in every], states)


def choice_of(
    rule: Any, arguments: Mapping[str, Any], overrides: Sequence[Mapping[str, Any]]
) -> Choice | None:
    """Return how the rule of each parameter is chosen, or None if `rule` is no rule."""
    if isinstance(rule, ByParameter):
        return RuleForEach(rule, arguments, overrides)
    return OneRule(rule, arguments, overrides) if isinstance(rule, UpdateRule) else None
