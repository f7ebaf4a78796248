"""Define `by_parameter`: one learner whose parameters are updated by different rules."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learnerdsl.define import UpdateRule, front_end
from learnerdsl.errors import HyperparameterError, RuleError, UnknownNameError
from learnerdsl.learner import Learner
from learnerdsl.learner.groups import grouped
from learnerdsl.learner.hyperparameters import shared_hyperparameters
from learnerdsl.learner.reshaping import Reshape, seen_shapes
from learnerdsl.numbers import quoted
from learnerdsl.runtime.arrays.host import Arrays, Name, named_arrays
from learnerdsl.tracing import Rule, check_function, joined


@dataclass(frozen=True)
class _Part:
    """The parameters of one group that one rule updates.

    Attributes:
        rule: the rule.
        params: name -> shape.
        given: hyperparameters and options that were given for them.
        is_frozen: whether they stay as they are.
    """

    rule: UpdateRule
    params: dict[Name, tuple[int, ...]]
    given: dict[str, Any]
    is_frozen: bool

    def traced(self) -> dict[Name, Rule]:
        """Return the traced rule of each parameter."""
        options = {n: v for n, v in self.given.items() if n in self.rule._option_names}
        return {n: self.rule.trace(shape=shape, **options) for n, shape in self.params.items()}

    def hyperparameters(self) -> dict[str, Any]:
        """Return all hyperparameters of the rule with their values."""
        traced = self.rule.trace()
        names = (symbol.name for symbol in traced.hyperparameters)
        found = dict(zip(names, traced.defaults, strict=True))
        return found | {n: v for n, v in self.given.items() if n in found}


class ByParameter:
    """A choice of a rule for each parameter; `by_parameter` makes one. Call it like a rule."""

    def __init__(self, choose: Callable[[Any, tuple[int, ...]], UpdateRule]) -> None:
        check_function(choose, "by_parameter", "lambda name, shape: adam")
        self._choose = choose

    def __call__(
        self,
        params: Arrays,
        *,
        backend: str = "auto",
        groups: Sequence[Mapping[str, Any]] | None = None,
        nonfinite: str = "propagate",
        seed: int = 0,
        missing: str = "raise",
        states: str | Mapping[str, str] | None = None,
        master: str | None = None,
        rounding: str = "nearest",
        products: str | None = None,
        observe: Sequence[str] | Mapping[str, Any] | None = None,
        reshape: Reshape | None = None,
        **arguments: Any,
    ) -> Learner:
        """Make a Learner that updates each parameter by its rule; see `Learner`.

        Other keyword arguments are hyperparameters and options, for every rule that has them; or
        dicts of those of one rule, by the name of the rule.

        Raises:
            LearnerError: an argument cannot be used, or the rules cannot be in one learner.
        """
        parts = self._parts(params, groups, reshape, arguments)
        traced = {name: own for part in parts for name, own in part.traced().items()}
        order = list(named_arrays(params, "Parameters"))
        rules = joined([traced[name] for name in order])
        first, *others = _of_groups(rules[0], [part.hyperparameters() for part in parts])
        return Learner(
            rules,
            params,
            backend=backend,
            groups=[
                {"params": list(part.params), "frozen": part.is_frozen, **own}
                for part, own in zip(parts[1:], others, strict=True)
            ],
            nonfinite=nonfinite,
            seed=seed,
            missing=missing,
            states=states,
            master=master,
            rounding=rounding,
            products=products,
            observe=observe,
            reshape=reshape,
            hyperparameters=first,
        )

    def optax(self, **arguments: Any) -> Any:
        """Make a gradient transformation of optax that updates each parameter by its rule.

        `choose` is called with the path of a leaf, such as "layers.0.weight", and its shape.

        Args:
            arguments: hyperparameters and options; see `learnerdsl.jax.transformation`.

        Raises:
            LearnerError: an argument cannot be used, or optax is not installed.
        """
        return front_end("jax", "JAX and optax").transformation(self, **arguments)

    def _parts(
        self,
        params: Arrays,
        groups: Sequence[Mapping[str, Any]] | None,
        reshape: Reshape | None,
        arguments: Mapping[str, Any],
    ) -> list[_Part]:
        """Return the parts of the model: frozen ones last, by group, then by names of the rules.

        So they do not depend on the order of the parameters, by which checkpoints may differ.
        """
        arrays = named_arrays(params, "Parameters")
        grouping = grouped(arrays, groups)
        shapes = {name: tuple(array.shape) for name, array in arrays.items()}
        shapes = seen_shapes(reshape, shapes) or shapes
        chosen = self.rules(shapes)
        of_groups = arguments_of_groups(arguments, grouping.overrides, chosen.values())
        parts: dict[Any, _Part] = {}
        for name, rule in chosen.items():
            number, is_frozen = grouping.numbers[name], grouping.is_frozen(name)
            part = _Part(rule, {}, of_groups[number][rule.name], is_frozen)
            key = is_frozen, number, rule.name
            parts.setdefault(key, part).params[name] = shapes[name]
        return [parts[key] for key in sorted(parts)]

    def rules(self, shapes: Mapping[Name, tuple[int, ...]]) -> dict[Name, UpdateRule]:
        """Return the rule of each parameter.

        Args:
            shapes: name of a parameter -> its shape.

        Raises:
            RuleError: `choose` returned none, or two rules of one name.
        """
        chosen = {name: self._chosen(name, shape) for name, shape in shapes.items()}
        known = {rule.name: rule for rule in chosen.values()}
        for name, rule in chosen.items():
            if known[rule.name] is not rule:
                msg = (
                    f"The rule of {name!r} has the name {rule.name!r}, as another rule has; give "
                    "it a name of its own: chain(rule, name=...)."
                )
                raise RuleError(msg)
        return chosen

    def _chosen(self, name: Name, shape: tuple[int, ...]) -> UpdateRule:
        """Return the rule of a parameter; raise if `choose` returned none."""
        rule = self._choose(name, shape)
        if not isinstance(rule, UpdateRule):
            msg = (
                f"by_parameter needs a rule for {name!r} of shape {shape}, got {quoted(rule)}; "
                "return what @rule or chain made."
            )
            raise RuleError(msg)
        return rule

    def __repr__(self) -> str:
        return f"<rule by parameter: {self._choose.__name__}>"


def _of_groups(rule: Rule, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the hyperparameters to set for each part; only the first sets those of the model.

    Raises:
        HyperparameterError: parts have different values where a state of the model needs one.
    """
    shared, first = shared_hyperparameters(rule), given[0]
    for own in given[1:]:
        for name in shared:
            if own[name] != first[name]:
                msg = (
                    f"{name!r} cannot differ between the rules: the state {shared[name]!r}, one "
                    f"scalar for the whole model, is computed from it; there are {first[name]!r} "
                    f"and {own[name]!r}."
                )
                raise HyperparameterError(msg)
    return [first, *({n: v for n, v in own.items() if n not in shared} for own in given[1:])]


def arguments_of_groups(
    arguments: Mapping[str, Any],
    overrides: Iterable[Mapping[str, Any]],
    chosen: Iterable[UpdateRule],
) -> list[dict[str, dict[str, Any]]]:
    """Return name of a rule -> its arguments: for the parameters of no group, then for each group.

    Args:
        arguments: arguments of all rules that have them, or name of a rule -> dict of its own.
        overrides: the same for each group, where it differs.
        chosen: the rules.

    Raises:
        UnknownNameError: no rule has an argument.
    """
    rules = {rule.name: rule for rule in chosen}
    given = divided(arguments, rules)
    each = [given]
    for own in overrides:
        more = divided(own, rules)
        each.append({name: {**given[name], **more[name]} for name in rules})
    return each


def divided(
    arguments: Mapping[str, Any], rules: Mapping[str, UpdateRule]
) -> dict[str, dict[str, Any]]:
    """Return name of a rule -> its arguments.

    Args:
        arguments: arguments of all rules that have them, or name of a rule -> dict of its own.
        rules: name -> rule.

    Raises:
        UnknownNameError: no rule has an argument.
    """
    known = {n: (*rule._hyper_names, *rule._option_names) for n, rule in rules.items()}
    found: dict[str, dict[str, Any]] = {name: {} for name in rules}
    for name, value in arguments.items():
        users = [rule for rule, names in known.items() if name in names]
        if name in rules and isinstance(value, Mapping):
            rules[name]._refuse_unknown({n: v for n, v in value.items() if n not in known[name]})
        elif not users:
            listed = "; ".join(f"{rule} has {', '.join(own)}" for rule, own in known.items())
            msg = f"No rule has an argument {name!r}, and none has this name: {listed}."
            raise UnknownNameError(msg)
        for rule in users:
            found[rule][name] = value
    for name, value in arguments.items():  # what is given for one rule counts more
        if name in rules and isinstance(value, Mapping):
            found[name] |= value
    return found


def by_parameter(choose: Callable[[Any, tuple[int, ...]], UpdateRule]) -> ByParameter:
    """Make a choice of a rule for each parameter, for one learner of a whole model.

    The learner has one clock, one checkpoint, and one norm: what transforms such as
    `clip_by_global_norm` compute over the model is over all parameters, if every rule has the same
    transforms that do so.

    Arguments of the learner that belong to one rule are given by its name. All rules get arguments
    without one. In alphabetical order, the first rule's hyperparameters are
    `learner.hyperparameters`, and those of the other rules are `learner.groups`. Each of `groups`
    is divided in the same way, and follows them.

    Args:
        choose: called with name and shape of each parameter; returns its rule.

    Raises:
        RuleError: `choose` is no function. When it is called with parameters: it returned no rule,
            or the rules differ in what they compute over the model or in their extras.

    >>> import numpy as np
    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import adamw, muon
    >>> mixed = ld.by_parameter(lambda name, shape: muon if len(shape) == 2 else adamw)
    >>> params = {"w": np.ones((3, 4), np.float32), "b": np.zeros(4, np.float32)}
    >>> learner = mixed(params, muon={"lr": 0.02}, adamw={"lr": 3e-4}, weight_decay=0.1)
    >>> learner.hyperparameters["lr"], learner.groups[0]["lr"]
    (0.0003, 0.02)
    """
    return ByParameter(choose)
