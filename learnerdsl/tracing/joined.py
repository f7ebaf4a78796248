"""Join rules of different functions for one learner, as if they were variants of one rule.

The joined rules have one name and the same hyperparameters in the same order, so that rows of
scalars begin alike for all tensors. What one of them writes over the model is joined with what the
others write there: a sum of a transform with the sum of the same transform.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from learnerdsl.errors import RuleError
from learnerdsl.expr import Hyperparameter, Reduction, RuleSymbol, rebuilt, replaced, symbols_in
from learnerdsl.tracing.definition import Assignment, HyperDefault, Rule, StateSpec
from learnerdsl.tracing.variants import difference, model_reductions, shown, starts, values

_ALONE = "let each rule update its parameters in a learner or optimizer of its own"


def joined(rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules as variants of one rule; those of one function stay as they are.

    Args:
        rules: the traced rule of each tensor.

    Raises:
        RuleError: the rules compute different things over the model, or their inputs differ.
    """
    distinct = {id(rule): rule for rule in rules}
    first, *others = distinct.values()
    for other in others:
        _check_sums(first, other)
        _check_extras(first, other)
    if all(
        (rule.name, rule.hyperparameters) == (first.name, first.hyperparameters) for rule in others
    ):
        return list(rules)
    owner = "_or_".join(dict.fromkeys(rule.name for rule in distinct.values()))
    defaults = _defaults(distinct.values())
    options = {f"{r.name}.{n}": v for r in distinct.values() for n, v in r.options}
    version = 1 + sum({r.name: r.version - 1 for r in distinct.values()}.values())
    made: dict[int, Rule] = {}
    for key, rule in distinct.items():
        renamed = _Renamed(rule, owner)
        hypers = {h.name: h for h in map(renamed.symbol, rule.hyperparameters)}
        made[key] = replace(
            renamed.rule(),
            version=version,
            options=tuple(options.items()),
            hyperparameters=tuple(
                hypers.get(name) or Hyperparameter(name, owner) for name in defaults
            ),
            defaults=tuple(defaults.values()),
            foreign=frozenset(defaults.keys() - hypers.keys()),
        )
    what = difference(list(made.values()))
    if what:
        names = " and ".join(dict.fromkeys(rule.name for rule in distinct.values()))
        msg = f"{names} have {what} that differ; {_ALONE}."
        raise RuleError(msg)
    known: dict[Rule, Rule] = {}
    return [known.setdefault(made[id(rule)], made[id(rule)]) for rule in rules]


def _defaults(rules: Iterable[Rule]) -> dict[str, HyperDefault]:
    """Return the hyperparameters of all rules with the default of the first that has each."""
    found: dict[str, HyperDefault] = {}
    for rule in rules:
        names = (hyper.name for hyper in rule.hyperparameters)
        for name, default in zip(names, rule.defaults, strict=True):
            found.setdefault(name, default)
    return found


class _Renamed:
    """A rule under another name, to which its symbols belong as well.

    Args:
        given: the rule.
        owner: the new name.
    """

    def __init__(self, given: Rule, owner: str) -> None:
        self.given = given
        self.owner = owner

    def symbol(self, symbol: Any) -> Any:
        """Return the symbol of the renamed rule."""
        if not isinstance(symbol, RuleSymbol) or symbol.owner != self.given.name:
            return symbol
        (name, _, *others), assumptions = symbol.__getnewargs_ex__()
        return type(symbol)(name, self.owner, *others, **assumptions)

    def expression(self, expression: Any) -> Any:
        """Return an expression over the symbols of the renamed rule."""
        new = {s: self.symbol(s) for s in symbols_in(expression)}
        return replaced(expression, new, rebuilt)

    def rule(self) -> Rule:
        """Return the rule under its new name."""
        given, of = self.given, self.expression
        return replace(
            given,
            name=self.owner,
            parameter=self.symbol(given.parameter),
            gradient=self.symbol(given.gradient),
            hyperparameters=tuple(map(self.symbol, given.hyperparameters)),
            states=tuple(
                StateSpec(self.symbol(s.symbol), of(s.init), s.dtype) for s in given.states
            ),
            lines=tuple(
                Assignment(self.symbol(n.target), self.symbol(n.value), of(n.expression), n.rounded)
                for n in given.lines
            ),
            extras=tuple(map(self.symbol, given.extras)),
            evaluation=None if given.evaluation is None else of(given.evaluation),
            written=tuple(map(of, given.written)),
        )


def _check_sums(first: Rule, other: Rule) -> None:
    """Raise unless both rules have the same reductions over the model, of the same functions."""
    for place in (starts, values, shown):
        own, theirs = _sums(first, place), _sums(other, place)
        if own != theirs:
            msg = (
                f"{first.name} and {other.name} cannot update parts of one model together: over "
                f"the whole model {first.name} computes {_listed(own)}, {other.name} "
                f"{_listed(theirs)}. Put the same transforms that do so, such as "
                f"clip_by_global_norm, into the chain of each rule, or {_ALONE}."
            )
            raise RuleError(msg)


def _sums(rule: Rule, place: Callable[[Rule], list[Any]]) -> list[tuple[str, str]]:
    """Return (operation, function that writes it) of each reduction over the model, in order."""
    writers = dict(zip(rule.written, rule.writers, strict=False))

    def described(node: Reduction) -> tuple[str, str]:
        return node.monoid.name, writers.get(node, rule.name).rpartition(".")[2]

    return [described(node) for node in model_reductions(rule, place(rule))]


def _listed(sums: list[tuple[str, str]]) -> str:
    return " and ".join(f"a {what} in {writer}" for what, writer in sums) or "nothing"


def _check_extras(first: Rule, other: Rule) -> None:
    """Raise unless both rules have the same extra inputs."""
    own, theirs = ([(e.name, e.shape) for e in rule.extras] for rule in (first, other))
    if own != theirs:
        listed = [", ".join(name for name, _ in extras) or "none" for extras in (own, theirs)]
        msg = (
            f"{first.name} and {other.name} cannot update parts of one model together: their "
            f"extras, inputs besides the gradients, are {listed[0]} and {listed[1]}; {_ALONE}."
        )
        raise RuleError(msg)
