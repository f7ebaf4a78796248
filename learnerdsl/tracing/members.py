"""Describe the members of a chain: transforms and one rule, and their common namespace."""

import inspect
import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from learnerdsl.errors import RuleError
from learnerdsl.tracing.definition import HyperDefault, OptionValue
from learnerdsl.tracing.pickling import findable, reference
from learnerdsl.tracing.tracing import LEARNER_ARGUMENTS, check_function, signature, sort_arguments

Place = Literal["before", "after", "any"]
PLACES = ("before", "after", "any")


class Shared:
    """Type of `shared`, the default of an argument that belongs to another member."""

    def __repr__(self) -> str:
        return "shared"


shared: Any = Shared()
"""Default of a transform's argument that stands for another member's, such as its `lr`."""


@dataclass(frozen=True)
class Member:
    """A rule or transform in a chain.

    Attributes:
        name: name of its function.
        function: the function, called with symbols.
        is_rule: whether it is the rule.
        inputs: names of the arguments before the hyperparameters: parameter, gradient, new value.
        hypers: hyperparameters with their defaults.
        options: compile-time options with their defaults.
        shared: names of arguments that belong to another member.
        place: where a transform may stand: "before" or "after" the rule, or "any".
        version: number of its definition.
        renames: names of arguments, states and values -> what the chain calls them.
        constants: names of the hyperparameters that are a fixed number -> that number.
    """

    name: str
    function: Callable[..., Any]
    is_rule: bool
    inputs: tuple[str, ...]
    hypers: dict[str, HyperDefault]
    options: dict[str, OptionValue]
    shared: tuple[str, ...] = ()
    place: Place = "any"
    version: int = 1
    renames: dict[str, str] = field(default_factory=dict[str, str])
    constants: dict[str, float] = field(default_factory=dict[str, float])

    def __reduce__(self) -> Any:
        """Pickle by the name of the function."""
        values = {own.name: getattr(self, own.name) for own in fields(self)}
        what = "rule" if self.is_rule else "transform"
        values["function"] = reference(self.function, what)
        return Member, tuple(values.values())

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of all arguments except the inputs, as in the signature of the function."""
        return (*self.hypers, *self.options, *self.shared)

    @property
    def free(self) -> dict[str, HyperDefault]:
        """Hyperparameters that are not fixed, with their defaults."""
        return {own: v for own, v in self.hypers.items() if own not in self.constants}

    def public(self, name: str) -> str:
        """Return the chain's name for an argument, state or value of this member."""
        return self.renames.get(name, name)

    def renamed(self, names: dict[str, str]) -> "Member":
        """Return a copy of this member in which the public names in `names` are replaced."""
        own = {new: old for old, new in self.renames.items()}
        return replace(
            self, renames={**self.renames, **{own.get(n, n): v for n, v in names.items()}}
        )

    def fixed(self, values: Mapping[str, float]) -> "Member":
        """Return a copy in which the hyperparameters with these public names are numbers."""
        new = {own: values[self.public(own)] for own in self.free if self.public(own) in values}
        return replace(self, constants={**self.constants, **new})


def rule_member(function: Callable[..., Any], version: int) -> Member:
    """Make the member for the function of a rule."""
    parameter, gradient, hypers, options = signature(function)
    inputs = (parameter, gradient)
    return Member(function.__name__, function, True, inputs, hypers, options, version=version)


def transform_member(function: Callable[..., Any], place: Place, version: int) -> Member:
    """Make the member for the function of a transform.

    Args:
        function: `f(p, g, ...)`, `f(p, new, ...)` or `f(p, new, g, ...)`.
        place: where it may stand.
        version: number of its definition.

    Raises:
        RuleError: the arguments are not those of a transform.
    """
    check_function(function, "A transform", "def transform(p, g, ...)")
    name = function.__name__
    if not name.isidentifier():
        msg = f"A transform needs a name, got {name}; write it as a function with def."
        raise RuleError(msg)
    arguments = list(inspect.signature(function).parameters.values())
    count = sum(a.default is a.empty for a in arguments[:3])
    if count < 2 or any(a.default is not a.empty for a in arguments[:count]):
        msg = (
            f"Transform {name} must start with the parameter and what it maps: def {name}(p, g, "
            f"...) for the gradient, def {name}(p, new, ...) or (p, new, g, ...) for the parameter."
        )
        raise RuleError(msg)
    if count == 3 and place == "before":
        msg = (
            f"Transform {name} takes (p, new, g), so it stands after the rule; leave out "
            "place='before'."
        )
        raise RuleError(msg)
    place = "after" if count == 3 else place
    from_others = tuple(a.name for a in arguments[count:] if isinstance(a.default, Shared))
    own = [a for a in arguments[count:] if a.name not in from_others]
    hypers, options = sort_arguments(name, own)
    inputs = tuple(a.name for a in arguments[:count])
    function = findable(function)
    return Member(name, function, False, inputs, hypers, options, from_others, place, version)


@dataclass(frozen=True)
class Chained:
    """Checked members of a chain in order, and the namespace of their arguments.

    Attributes:
        name: the chain's name.
        members: in the order in which they are traced.
        hypers: hyperparameter of the chain -> default.
        options: compile-time option of the chain -> default.
        owners: argument of the chain -> the member it belongs to.
        constants: hyperparameter of the chain that is fixed -> its number.
    """

    name: str
    members: tuple[Member, ...]
    hypers: dict[str, HyperDefault]
    options: dict[str, OptionValue]
    owners: dict[str, Member]
    constants: dict[str, float]

    @property
    def rule_index(self) -> int:
        """Position of the rule."""
        return next(k for k, member in enumerate(self.members) if member.is_rule)

    @property
    def version(self) -> int:
        """Version of the chain: it grows with the version of any member."""
        return 1 + sum(member.version - 1 for member in self.members)

    def freed(self) -> "Chained":
        """Return the chain in which no hyperparameter is fixed."""
        return chained([replace(member, constants={}) for member in self.members], self.name)


def chained(members: Sequence[Member], name: str | None) -> Chained:
    """Check that the members make a chain, and merge their arguments.

    Args:
        members: rule and transforms in order.
        name: name of the chain; None joins the names of the members with underscores.

    Raises:
        RuleError: there is not exactly one rule, a transform is on the wrong side of it, two
            members have arguments with the same name, or no member has a shared argument.
    """
    name = "_".join(member.name for member in members) if name is None else name
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        msg = f"A chain needs a Python identifier for a name, got {name!r}."
        raise RuleError(msg)
    rules = [member.name for member in members if member.is_rule]
    if len(rules) != 1:
        found = f"{len(rules)} rules, {' and '.join(rules)}" if rules else "no rule"
        msg = (
            f"Chain {name} holds {found}; a chain is exactly one rule, such as adam, with "
            "transforms before and after it."
        )
        raise RuleError(msg)
    index = next(k for k, member in enumerate(members) if member.is_rule)
    _check_places(members, index)
    hypers: dict[str, HyperDefault] = {}
    options: dict[str, OptionValue] = {}
    owners: dict[str, Member] = {}
    constants: dict[str, float] = {}
    for member in members:
        for own in (*member.hypers, *member.options):
            public = member.public(own)
            if public in owners:
                refuse_collision(name, public, "an argument", owners[public], member, own)
            owners[public] = member
        hypers |= {member.public(own): default for own, default in member.free.items()}
        constants |= {member.public(own): number for own, number in member.constants.items()}
        options |= {member.public(own): default for own, default in member.options.items()}
    _check_inputs(name, members[index], owners)
    _check_shared(name, members, owners)
    return Chained(name, tuple(members), hypers, options, owners, constants)


def refuse_collision(
    chain: str, public: str, what: str, first: Member, second: Member, own: str
) -> None:
    """Raise a RuleError: `public` names something of `first` and also `what` of `second`."""
    other = f"{second.name}_{own}" if first.name != second.name else f"{public}_2"
    msg = (
        f"{public!r} is a name of {first.name} and of {what} of {second.name} in chain {chain}; "
        f'give one of them another: renamed({second.name}, {own}="{other}").'
    )
    raise RuleError(msg)


def check_new_names(member_name: str, names: dict[str, Any]) -> None:
    """Refuse new names that are not identifiers, or that are arguments of every learner."""
    for old, new in names.items():
        if not isinstance(new, str) or not new.isidentifier() or keyword.iskeyword(new):
            msg = (
                f"renamed({member_name}, {old}={new!r}): the new name must be a Python identifier."
            )
            raise RuleError(msg)
        if new in LEARNER_ARGUMENTS:
            msg = (
                f"renamed({member_name}, {old}={new!r}): every learner has an argument of that "
                "name; choose another."
            )
            raise RuleError(msg)


def _check_places(members: Sequence[Member], index: int) -> None:
    rule_name = members[index].name
    for k, member in enumerate(members):
        wrong = {"before": k > index, "after": k < index, "any": False}[member.place]
        if wrong:
            maps = "the gradient" if member.place == "before" else "the new parameter"
            msg = (
                f"Transform {member.name} maps {maps}, so it stands {member.place} the rule "
                f"{rule_name}: write chain(..., "
                + (f"{member.name}, {rule_name}" if k > index else f"{rule_name}, {member.name}")
                + ", ...)."
            )
            raise RuleError(msg)


def _check_inputs(chain: str, rule: Member, owners: dict[str, Member]) -> None:
    for taken in rule.inputs:
        if taken in owners:
            owner = owners[taken].name
            msg = (
                f"Argument {taken!r} of {owner} has the name of the parameter or the gradient of "
                f'{rule.name} in chain {chain}; write renamed({owner}, {taken}="...").'
            )
            raise RuleError(msg)


def _check_shared(chain: str, members: Sequence[Member], owners: dict[str, Member]) -> None:
    for member in members:
        for own in member.shared:
            public = member.public(own)
            if public not in owners:
                known = ", ".join(owners) or "none"
                msg = (
                    f"{member.name} uses the argument {public!r} of another member, but chain "
                    f"{chain} has none of that name; its arguments are: {known}. Write "
                    f'renamed({member.name}, {own}="...") with the one that is meant.'
                )
                raise RuleError(msg)
