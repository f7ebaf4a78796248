"""What a chain is made of: transforms and one rule, and the names they share."""

import inspect
import keyword
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from learnerdsl.errors import RuleError
from learnerdsl.tracing.definition import HyperDefault, OptionValue
from learnerdsl.tracing.pickling import findable, reference
from learnerdsl.tracing.tracing import LEARNER_ARGUMENTS, check_function, signature, sort_arguments

Place = Literal["before", "after", "any"]
PLACES = ("before", "after", "any")


class Shared:
    """The default of an argument that another member of the chain has."""

    def __repr__(self) -> str:
        return "shared"


shared: Any = Shared()
"""Default of a transform's argument that is an argument of another member, such as its `lr`."""


@dataclass(frozen=True)
class Member:
    """A rule or transform in a chain.

    Attributes:
        name: name of its function.
        function: what is called with symbols.
        is_rule: whether it is the rule.
        inputs: names of the arguments before the hyperparameters.
        hypers: hyperparameters with their defaults.
        options: compile-time options with their defaults.
        shared: arguments that another member has.
        place: where a transform makes sense.
        version: number of its definition.
        renames: names of arguments, states and values -> what the chain calls them.
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

    def __reduce__(self) -> Any:
        """Pickled by the name of its function."""
        values = {own.name: getattr(self, own.name) for own in fields(self)}
        what = "rule" if self.is_rule else "transform"
        values["function"] = reference(self.function, what)
        return Member, tuple(values.values())

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of all arguments but the inputs, as its function has them."""
        return (*self.hypers, *self.options, *self.shared)

    def public(self, name: str) -> str:
        """What the chain calls an argument, state or value of this member."""
        return self.renames.get(name, name)

    def renamed(self, names: dict[str, str]) -> "Member":
        """The same member with other names for what the chain calls by these."""
        own = {new: old for old, new in self.renames.items()}
        return replace(
            self, renames={**self.renames, **{own.get(n, n): v for n, v in names.items()}}
        )


def rule_member(function: Callable[..., Any], version: int) -> Member:
    """The member that a rule's function makes."""
    parameter, gradient, hypers, options = signature(function)
    inputs = (parameter, gradient)
    return Member(function.__name__, function, True, inputs, hypers, options, version=version)


def transform_member(function: Callable[..., Any], place: Place, version: int) -> Member:
    """The member that a transform's function makes.

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
        msg = f"Transform {name} takes (p, new, g), so it cannot have place='before'."
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
    """The members of a chain in order, checked, and the one namespace of their arguments.

    Attributes:
        name: the chain's name.
        members: in the order in which they are traced.
        hypers: hyperparameter of the chain -> default.
        options: compile-time option of the chain -> default.
        owners: argument of the chain -> the member that has it.
    """

    name: str
    members: tuple[Member, ...]
    hypers: dict[str, HyperDefault]
    options: dict[str, OptionValue]
    owners: dict[str, Member]

    @property
    def rule_index(self) -> int:
        """Position of the rule."""
        return next(k for k, member in enumerate(self.members) if member.is_rule)

    @property
    def version(self) -> int:
        """A number that grows with the version of any member."""
        return 1 + sum(member.version - 1 for member in self.members)


def chained(members: Sequence[Member], name: str | None) -> Chained:
    """Check that the members make a chain, and merge their arguments.

    Raises:
        RuleError: there is no rule or more than one, a transform is on the wrong side of it, two
            members have an argument of one name, or a shared argument that nobody has.
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
    for member in members:
        for own in (*member.hypers, *member.options):
            public = member.public(own)
            if public in owners:
                refuse_collision(name, public, "an argument", owners[public], member, own)
            owners[public] = member
        hypers |= {member.public(own): default for own, default in member.hypers.items()}
        options |= {member.public(own): default for own, default in member.options.items()}
    _check_inputs(name, members[index], owners)
    _check_shared(name, members, owners)
    return Chained(name, tuple(members), hypers, options, owners)


def refuse_collision(
    chain: str, public: str, what: str, first: Member, second: Member, own: str
) -> None:
    """Raise: `public` is the name of something of `first`, and of `what` of `second` as well."""
    other = f"{second.name}_{own}" if first.name != second.name else f"{public}_2"
    msg = (
        f"{public!r} is a name of {first.name} and of {what} of {second.name} in chain {chain}; "
        f'give one of them another: renamed({second.name}, {own}="{other}").'
    )
    raise RuleError(msg)


def check_new_names(member_name: str, names: dict[str, Any]) -> None:
    """Refuse new names that are no identifiers, or that every learner has."""
    for old, new in names.items():
        if not isinstance(new, str) or not new.isidentifier() or keyword.iskeyword(new):
            msg = f"renamed({member_name}, {old}={new!r}): the new name is a Python identifier."
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
                f"Argument {taken!r} of {owner} is called like the parameter or the gradient of "
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
