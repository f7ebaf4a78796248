"""Compile a rule for the shapes of a model, and load the functions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from learnerdsl.define import UpdateRule
from learnerdsl.export import SHAPES, Request, Variant, distinguished, variants_of
from learnerdsl.expr import minibatch_size, samples
from learnerdsl.jax.loading import loaded
from learnerdsl.tracing import Rule, StateSpec, check_variants, joined, without
from learnerdsl.xla import Function, VariantFunctions, XlaProgram, xla_program

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Model:
    """A rule for the shapes of a model's parameters.

    Attributes:
        program: its functions as text.
        functions: name -> function.
        variants: for each parameter, the index of its variant.
    """

    program: XlaProgram
    functions: Mapping[str, Callable[..., tuple[Any, ...]]]
    variants: tuple[int, ...]

    def of(self, number: int) -> VariantFunctions:
        """Return the functions of a parameter."""
        return self.program.variants[self.variants[number]]

    def call(self, function: Function, *arguments: Any) -> tuple[Any, ...]:
        """Return what a function returns; nothing if it was not written, as it has no results."""
        own = self.functions.get(function.name)
        return () if own is None else own(*arguments)

    @cached_property
    def rule(self) -> Any:
        """Return the rule of the first variant."""
        return self.program.variants[0].rule

    @cached_property
    def model_states(self) -> list[StateSpec]:
        """Return the states of the whole model."""
        return [spec for spec in self.rule.states if spec.symbol.shape == "model"]

    @cached_property
    def counts_samples(self) -> bool:
        """Return whether updates depend on the number of samples."""
        levels = [f for v in self.program.variants for pair in v.levels for f in pair]
        wide = {symbol: own for v in self.program.variants for symbol, own in v.wide.items()}
        used = {wide.get(symbol, symbol) for f in levels for symbol in f.arguments}
        return bool(used & {samples, minibatch_size})

    @cached_property
    def reads_parameter(self) -> bool:
        """Return whether updates need the values of parameters, not only shapes."""
        return any(self.of(k).reads_parameter for k in range(len(self.variants)))


def states_of(rules: Iterable[Rule]) -> list[str]:
    """Return the names of the states of rules, besides those of the whole model."""
    symbols = [spec.symbol for rule in rules for spec in rule.states]
    return list(dict.fromkeys(s.name for s in symbols if s.shape != "model"))


@dataclass(frozen=True)
class Models:
    """A rule with options, and what was compiled of it.

    Attributes:
        rule: the rule.
        options: values of its options.
    """

    rule: UpdateRule
    options: Mapping[str, Any]

    @cached_property
    def _found(self) -> dict[tuple[Shapes, frozenset[str]], Model]:
        return {}

    @cached_property
    def states(self) -> list[str]:
        """Return the names of the states of all variants, also for shapes that the model lacks."""
        variants = variants_of(self.traced)
        return states_of(variant.rule for variant in variants)

    def traced(self, shape: tuple[int, ...]) -> Rule:
        """Return the rule for a parameter of a shape."""
        return self.rule.trace(shape=shape, **self.options)

    def of(self, shapes: Sequence[tuple[int, ...]], zeros: frozenset[str]) -> Model:
        """Return the rule for parameters of these shapes.

        Args:
            shapes: one for each parameter, which the rule takes.
            zeros: names of hyperparameters that are the number 0.

        Raises:
            LearnerError: the rule computes different things over the model for some of them.
        """
        own = tuple(shapes)
        key = own, zeros
        if key not in self._found:
            self._found[key] = self._made(own, zeros)
        return self._found[key]

    def _made(self, shapes: Shapes, zeros: frozenset[str]) -> Model:
        distinct = tuple(dict.fromkeys(shapes)) or SHAPES[:1]
        request = self.rule.request(distinct, self.options, zeros)
        check_variants([variant.rule for variant in request.variants])
        program = xla_program(request)
        places = {s: k for k, variant in enumerate(request.variants) for s in variant.shapes}
        functions = loaded(self.rule.name, program.source)
        return Model(program, functions, tuple(places[shape] for shape in shapes))


def joined_model(
    rules: Sequence[Rule], shapes: Sequence[tuple[int, ...]], zeros: frozenset[str]
) -> Model:
    """Return the rules of a model's parameters as the variants of one.

    Args:
        rules: the traced rule of each parameter.
        shapes: its shape.
        zeros: names of hyperparameters that are the number 0.

    Raises:
        RuleError: the rules compute different things over the model, or their inputs differ.
    """
    # Keyed by identity, since hashing a rule is slow; the rules are kept, so none has another's.
    key = tuple(map(id, rules)), tuple(shapes), zeros
    if key not in _joined:
        _joined[key] = list(rules), _joined_model(rules, shapes, zeros)
    return _joined[key][1]


def _joined_model(
    rules: Sequence[Rule], shapes: Sequence[tuple[int, ...]], zeros: frozenset[str]
) -> Model:
    each = [without(rule, zeros) for rule in joined(rules)]
    found: dict[Any, list[int]] = {}
    for k, rule in enumerate(each):
        found.setdefault(distinguished(rule), []).append(k)
    variants = tuple(
        Variant(each[own[0]], tuple(dict.fromkeys(shapes[k] for k in own)))
        for own in found.values()
    )
    check_variants([variant.rule for variant in variants])
    program = xla_program(Request(each[0].name, "", variants, (), "float32"))
    places = {k: place for place, own in enumerate(found.values()) for k in own}
    functions = loaded(each[0].name, program.source)
    return Model(program, functions, tuple(places[k] for k in range(len(each))))


_joined: dict[Any, tuple[list[Rule], Model]] = {}
_known: dict[tuple[int, str], Models] = {}


def models_of(rule: UpdateRule, options: Mapping[str, Any]) -> Models:
    """Return a rule with options; what was compiled of it before is kept.

    `optax.inject_hyperparams` makes a new transformation in each update.
    """
    key = id(rule), repr(sorted(options.items()))
    if key not in _known:
        _known[key] = Models(rule, dict(options))
    return _known[key]
