"""Join rules of different functions for one learner, as if they were variants of one rule.

The joined rules have one name and the same hyperparameters in the same order, so that rows of
scalars begin alike for all tensors. What one of them writes over the model is joined with what the
others write there: a sum of a transform with the sum of the same transform.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from learnerdsl.errors import RuleError
from learnerdsl.expr import Hyperparameter, Reduction, RuleSymbol, rebuilt, replaced, symbols_in
from learnerdsl.tracing.definition import Assignment, HyperDefault, OptionValue, Rule, StateSpec
from learnerdsl.tracing.variants import difference, model_reductions, shown, starts, values

_ALONE = "let each rule update its parameters in a learner or optimizer of its own"


def joined(rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules as variants of one rule; those of one function stay as they are.

    Args:
        rules: the traced rule of each tensor.

    Raises:
        RuleError: the rules compute different things over the model, or their inputs differ.
    """
    known: dict[Rule, Rule] = {}
    found = {id(rule): known.setdefault(rule, rule) for rule in rules}
    first, *others = known
    others = [rule for rule in others if _kind(rule) != _kind(first)]
    if not others:
        return list(rules)
    for other in others:
        _check_sums(first, other)
        _check_extras(first, other)
    owner = "_or_".join(sorted({rule.name for rule in known}))
    variants = _as_variants(list(known), owner)
    made = {id(rule): variant for rule, variant in zip(known, variants, strict=True)}
    what = difference(list(made.values()))
    if what:
        names = " and ".join(sorted({rule.name for rule in known}))
        msg = f"{names} have {what} that differ; {_ALONE}."
        raise RuleError(msg)
    return [made[id(found[id(rule)])] for rule in rules]


def _kind(rule: Rule) -> tuple[Any, ...]:
    """Return what is the same for all variants of one rule."""
    return rule.name, rule.hyperparameters


def _as_variants(rules: Sequence[Rule], owner: str) -> list[Rule]:
    """Return the rules under one name, with the hyperparameters of all."""
    defaults = _defaults(rules)
    version = 1 + sum({rule.name: rule.version - 1 for rule in rules}.values())
    made: list[Rule] = []
    for rule in rules:
        renamed = _Renamed(rule, owner)
        hypers = {h.name: h for h in map(renamed.symbol, rule.hyperparameters)}
        new = replace(
            renamed.rule(),
            version=version,
            options=_options(rules),
            hyperparameters=tuple(hypers.get(n) or Hyperparameter(n, owner) for n in defaults),
            defaults=tuple(defaults.values()),
            foreign=frozenset(defaults.keys() - hypers.keys()),
        )
        made.append(new)
    return made


def _options(rules: Iterable[Rule]) -> tuple[tuple[str, OptionValue | float], ...]:
    """Return the options of all rules, those that differ between parameters as one text."""
    given: dict[str, dict[str, OptionValue | float]] = {}
    for rule in rules:
        for name, value in rule.options:
            given.setdefault(f"{rule.name}.{name}", {})[repr(value)] = value
    return tuple(
        (name, " or ".join(sorted(values)) if len(values) > 1 else next(iter(values.values())))
        for name, values in sorted(given.items())
    )


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
    """Raise unless both rules have the same reductions over the model, of the same functions.

    An engine meets them line by line, the oracle in the order in which they were written.
    """
    for own, theirs in zip(_sums(first), _sums(other), strict=True):
        if own != theirs:
            msg = (
                f"{first.name} and {other.name} cannot update parts of one model together: over "
                f"the whole model {first.name} computes {_listed(own)}, {other.name} "
                f"{_listed(theirs)}. Put the same transforms that do so, such as "
                f"clip_by_global_norm, into the chain of each rule, or {_ALONE}."
            )
            raise RuleError(msg)


def _sums(rule: Rule) -> list[list[tuple[str, str]]]:
    """Return (operation, function that writes it) of the reductions over the model, by place."""
    places = [model_reductions(rule, of(rule)) for of in (starts, values, shown)]
    of_lines = (model_reductions(rule, [line.expression]) for line in rule.lines)
    places.append(list(dict.fromkeys(node for own in of_lines for node in own)))
    writers = dict(zip(rule.written, rule.writers, strict=False))
    # Members of a chain that follow may have changed a reduction; their order stays.
    present = dict.fromkeys(node for own in places for node in own)
    changed = [node for node in present if node not in writers]
    left = [writer for node, writer in writers.items() if node not in present]
    if len(changed) == len(left):
        writers |= dict(zip(changed, left, strict=True))
    return [[(_operation(node), writers.get(node, rule.name)) for node in own] for own in places]


def _operation(node: Reduction) -> str:
    """Return in words what a reduction over the model computes."""
    return node.monoid.name if node.of == "elements" else f"{node.monoid.name} of {node.of}"


def _listed(sums: list[tuple[str, str]]) -> str:
    """Return reductions in words."""
    named = [f"a {what} in {writer.rpartition('.')[2]}" for what, writer in sums]
    return " and ".join(named) or "nothing"


def _check_extras(first: Rule, other: Rule) -> None:
    """Raise unless both rules have the same extra inputs, but for those of single tensors."""
    own, theirs = (
        [(e.name, e.shape) for e in rule.extras if e.is_common] for rule in (first, other)
    )
    if own != theirs:
        listed = [", ".join(name for name, _ in extras) or "none" for extras in (own, theirs)]
        msg = (
            f"{first.name} and {other.name} cannot update parts of one model together: their "
            f"extras, inputs besides the gradients, are {listed[0]} and {listed[1]}; {_ALONE}."
        )
        raise RuleError(msg)
