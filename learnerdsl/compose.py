"""Define `@transform`, `chain` and `renamed`: transforms, and rules made of several pieces."""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, overload

from learnerdsl import inspection
from learnerdsl.cards import HasCard, ShownCard
from learnerdsl.define import UpdateRule, rule
from learnerdsl.errors import HyperparameterError, LearnerError, RuleError, UnknownNameError
from learnerdsl.numbers import as_number, quoted
from learnerdsl.tracing import (
    PLACES,
    ByName,
    Member,
    Rule,
    assign,
    chained,
    check_new_names,
    check_version,
    own_name,
    rule_member,
    trace_chain,
    transform_member,
)


class Transform(ByName, HasCard):
    """A function that maps the gradient before a rule, or the new parameter after it.

    The decorator `transform` makes one; `chain` puts it before or after a rule.

    Attributes:
        name: name of the function.
        hyperparameters: name of a hyperparameter -> default.
        options: name of an option -> default.
        place: "before" or "after" the rule, or "any".
    """

    def __init__(self, member: Member) -> None:
        functools.update_wrapper(self, member.function)
        self.__qualname__ = own_name(member.function)
        self.member = member
        self._function = member.function
        self.name = member.name
        self.place = member.place
        self.hyperparameters = {member.public(n): v for n, v in member.free.items()}
        self.options = {member.public(n): v for n, v in member.options.items()}

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        """Refuse to be called: a transform is not a rule."""
        example = f"adam, {self.name}" if self.place == "after" else f"{self.name}, adam"
        msg = (
            f"{self.name} is a transform and cannot update parameters by itself; put it into a "
            f"chain with a rule: chain({example})(params)."
        )
        raise RuleError(msg)

    def card(self) -> ShownCard:
        """Return what there is to see of the transform; print it, or write `.html()`."""
        members = (_descent, self) if self.place == "after" else (self, _descent)
        try:
            example = chain(*members).trace()
        except LearnerError:  # it takes an argument of another member, say
            example = None
        given = {**self.hyperparameters, **self.options}
        return inspection.transform_card(self.name, self.place, self._function, given, example)

    def _parts(self) -> tuple[Any, ...]:
        return (self.member,)

    def __repr__(self) -> str:
        fixed = self.member.constants
        names = (name for name in self.member.arguments if name not in fixed)
        arguments = ", ".join(map(self.member.public, names))
        return f"<transform {self.name}({arguments})>"


@rule
def _descent(p: Any, g: Any, lr: Any = 1.0) -> Any:
    """Step along the gradient, to show what a transform does to it."""
    return assign(p, p - lr * g)


@overload
def transform(function: Callable[..., Any], /) -> Transform: ...
@overload
def transform(
    *, place: Literal["before", "after", "any"] = "any", version: int = 1
) -> Callable[[Callable[..., Any]], Transform]: ...
def transform(
    function: Callable[..., Any] | None = None,
    /,
    *,
    place: Literal["before", "after", "any"] = "any",
    version: int = 1,
) -> Transform | Callable[[Callable[..., Any]], Transform]:
    """Make a transform from a function over symbols, for use in a `chain`.

    Args:
        function: before the rule of a chain it is called as `f(p, g, ...)` and returns the gradient
            for the next member. After the rule it is called as `f(p, new, ...)`, where `p` is the
            parameter before the update and `new` its new value so far, and returns the new value to
            use instead. With a third argument without a default, `f(p, new, g, ...)`, it also gets
            the gradient that the rule got. Further arguments are as in a rule; the default `shared`
            stands for the argument of that name of another member. The function may call `state`,
            `assign` (of its own states), `let` and `extra`, and before the rule `only_when`.
        place: "before" or "after" makes a chain refuse it on the other side of the rule.
        version: number of this definition; it is part of the version of a chain.

    Returns:
        The transform; without `function`, a decorator.

    Raises:
        RuleError: the arguments are not those of a transform.

    >>> import learnerdsl as ld
    >>> @ld.transform
    ... def clip_by_largest(p, g, limit=1.0):
    ...     return g * ld.minimum(1, limit / ld.max(ld.abs(g)))
    >>> clip_by_largest
    <transform clip_by_largest(limit)>
    """
    check_version(version)
    if not isinstance(place, str) or place not in PLACES:
        msg = f"place must be 'before', 'after' or 'any', got {place!r}."
        raise RuleError(msg)
    if function is None:
        return lambda f: Transform(transform_member(f, place, version))
    return Transform(transform_member(function, place, version))


class Chain(UpdateRule):
    """Transforms and one rule, compiled together as one rule; `chain` makes one.

    Use it like any rule. Its hyperparameters and options are those of all members.
    """

    def __init__(self, members: tuple[Member, ...], name: str | None) -> None:
        self._chained = chained(members, name)
        self.members = self._chained.members
        self.name = self.__name__ = self._chained.name
        self.version = self._chained.version
        names = [member.name for member in self.members]
        self.__doc__ = f"{', then '.join(names)}, as one rule."
        self.__signature__ = self._signature()
        self._hyper_names = tuple(self._chained.hypers)
        self._option_names = tuple(self._chained.options)
        self._traced = {}

    def _signature(self) -> inspect.Signature:
        inputs = self.members[self._chained.rule_index].inputs
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        defaults = {**self._chained.hypers, **self._chained.options}
        arguments = [inspect.Parameter(n, kind, default=v) for n, v in defaults.items()]
        return inspect.Signature([*(inspect.Parameter(n, kind) for n in inputs), *arguments])

    def _trace(self, options: Mapping[str, Any], shape: tuple[int, ...]) -> Rule:
        return trace_chain(self._chained, options, shape, self.__doc__ or "")

    def _refuse_unknown(self, hypers: Mapping[str, Any]) -> None:
        """Raise if a name is not one of a hyperparameter, or is that of a fixed one."""
        for name in hypers:
            if name in self._chained.constants:
                number = self._chained.constants[name]
                msg = (
                    f"{name} is fixed at {number:g} in this {self.name}, so {name}="
                    f"{quoted(hypers[name])} cannot be set; leave it out, or use the rule in which "
                    "it is not fixed."
                )
                raise HyperparameterError(msg)
        super()._refuse_unknown(hypers)

    _kind = "chain"

    def _described(self) -> tuple[Any, tuple[Any, ...]]:
        """Return the members for a card: name, what it is, function."""
        index = self._chained.rule_index
        kinds = ["transform of the gradient"] * index + ["rule"]
        kinds += ["transform of the new value"] * (len(self.members) - len(kinds))
        pairs = zip(self.members, kinds, strict=True)
        return None, tuple((member.name, kind, member.function) for member, kind in pairs)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle by the members."""
        return Chain, (self.members, self.name)

    def __repr__(self) -> str:
        names = ", ".join(member.name for member in self.members)
        arguments = ", ".join((*self._hyper_names, *self._option_names))
        return f"<chain of {names}: {self.name}({arguments})>"


def chain(*members: Transform | UpdateRule, name: str | None = None) -> Chain:
    """Make one rule of a rule and transforms, in the order in which they act.

    Transforms before the rule map the gradient, those after it the new parameter. The chain is
    traced as one rule, so its members share the sweeps over memory. Use it like any rule.

    Args:
        members: a rule, transforms, and chains, which are replaced by their members.
        name: name of the chain; None joins the names of the members with underscores.

    Raises:
        RuleError: there is not exactly one rule, a transform is on the wrong side of it, or two
            members have an argument or state of the same name (see `renamed`).

    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import adamw
    >>> @ld.transform
    ... def clip(p, g, max_norm=1.0):
    ...     return g * ld.minimum(1, max_norm / ld.norm(g, over="model"))
    >>> @ld.transform
    ... def shrink(p, new, share=1e-3):
    ...     return new - share * p
    >>> print(ld.chain(clip, adamw, shrink).plan())
    clip_adamw_shrink (float32): 2 passes, 32 bytes per element
      pass 1: reads g; writes nothing
        sum_1 = sum over model of g**2
      pass 2: reads p, g, m, v; writes m, v, p
    """
    return Chain(tuple(one for member in members for one in _members(member)), name)


@overload
def renamed(member: Transform, /, **names: str) -> Transform: ...
@overload
def renamed(member: UpdateRule, /, **names: str) -> Chain: ...
def renamed(member: Transform | UpdateRule, /, **names: str) -> Transform | Chain:
    """Return a copy of a transform or rule with other names for its arguments and states.

    Args:
        member: a transform or rule.
        names: `old="new"` for hyperparameters, options, states and values named by `let`.

    Raises:
        RuleError: a new name is not an identifier, or every learner has an argument of that name.
        UnknownNameError: an old name does not exist. Names of states are checked when the chain is
            first traced.

    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import adam
    >>> @ld.transform
    ... def ema(p, new, decay=0.99):
    ...     average = ld.state("average", init=p)
    ...     ld.assign(average, decay * average + (1 - decay) * new)
    ...     return new
    >>> slow = ld.renamed(ema, decay="slow_decay", average="slow_average")
    >>> [str(spec.symbol) for spec in ld.chain(adam, ema, slow).trace().states]
    ['m', 'v', 'average', 'slow_average']
    """
    own = _members(member)
    if len(own) != 1:
        msg = f"renamed takes one rule or transform; rename the members of {member.name} instead."
        raise RuleError(msg)
    check_new_names(own[0].name, names)
    changed = own[0].renamed(names)
    return Transform(changed) if isinstance(member, Transform) else Chain((changed,), member.name)


@overload
def fixed(member: Transform, /, **numbers: float) -> Transform: ...
@overload
def fixed(member: UpdateRule, /, **numbers: float) -> Chain: ...
def fixed(member: Transform | UpdateRule, /, **numbers: float) -> Transform | Chain:
    """Return a copy of a transform or rule in which hyperparameters are numbers that stay.

    What these numbers make superfluous is left out: terms that are 0, and states on which the
    parameter no longer depends, with their memory and traffic. The name stays. A learner of the
    copy refuses other values and does not load checkpoints of the original, and the reverse.

    Args:
        member: a transform, rule or chain.
        numbers: hyperparameter -> its number.

    Raises:
        UnknownNameError: `member` has no hyperparameter of that name.
        HyperparameterError: a value is not a finite number.

    >>> import learnerdsl as ld
    >>> from learnerdsl.learners import adam
    >>> print(ld.fixed(adam, beta1=0).plan())
    adam (float32): 1 pass, 20 bytes per element
      pass 1: reads p, g, v; writes v, p
    """
    own = _members(member)
    hypers = {one.public(name) for one in own for name in one.free}
    options = {one.public(name) for one in own for name in one.options}
    for name, number in numbers.items():
        if name in options:
            msg = (
                f"{name} of {member.name} is an option, whose value stays anyway; write "
                f"{member.name}(params, {name}={quoted(number)})."
            )
            raise UnknownNameError(msg)
        if name not in hypers:
            known = ", ".join(sorted(hypers)) or "none"
            msg = f"{member.name} has no hyperparameter {name!r} to fix; it has: {known}."
            raise UnknownNameError(msg)
    values = {name: _finite(name, number) for name, number in numbers.items()}
    changed = tuple(one.fixed(values) for one in own)
    return Transform(changed[0]) if isinstance(member, Transform) else Chain(changed, member.name)


def _finite(name: str, value: Any) -> float:
    """Return the number at which a hyperparameter is fixed; raise if it is not one."""
    number = as_number(value)
    if number is None or not math.isfinite(number):
        msg = (
            f"fixed(..., {name}={quoted(value)}) needs a finite number; a schedule or a value that "
            "changes is given where the learner is made."
        )
        raise HyperparameterError(msg)
    return number


def _members(member: Any) -> tuple[Member, ...]:
    """Return the members that an argument of `chain` stands for."""
    if isinstance(member, Chain):
        return member.members
    if isinstance(member, Transform):
        return (member.member,)
    if isinstance(member, UpdateRule):
        return (rule_member(member._function, member.version),)
    msg = (
        f"A chain needs rules and transforms, got {quoted(member)}; "
        "write @learnerdsl.transform above a function of (p, g, ...) or (p, new, ...)."
    )
    raise RuleError(msg)
