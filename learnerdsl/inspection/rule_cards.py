"""Make the cards of rules, chains and transforms."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy

from learnerdsl.cards import Code, Fold, Item, Mathematics, ShownCard, Table, Text
from learnerdsl.cards.content import sections
from learnerdsl.expr import Sides
from learnerdsl.inspection.code import loops
from learnerdsl.inspection.costs import cost
from learnerdsl.inspection.docstrings import code_of, first_sentence, meanings, sources
from learnerdsl.inspection.mathematics import latex_lines, pretty
from learnerdsl.inspection.plans import plan, storage_of
from learnerdsl.pipeline import Program
from learnerdsl.tracing import Rule

Member = tuple[str, str, Callable[..., Any]]
"""Name of a member of a chain, what it is, and its function."""


def rule_card(
    program: Program, kind: str, function: Callable[..., Any] | None, members: Iterable[Member] = ()
) -> ShownCard:
    """Return the card of a compiled rule.

    Args:
        program: the rule.
        kind: "rule" or "chain".
        function: the function of the rule; None for a chain.
        members: the members of a chain.
    """
    rule, own = program.rule, list(members)
    functions = [member[2] for member in own] if own else [function]
    docs = [inspect.getdoc(f) or "" for f in functions]
    known = {name: text for doc in docs for name, text in meanings(doc).items()}
    return ShownCard(
        rule.name,
        kind,
        first_sentence(rule.doc),
        sections(
            ("Members", _members(own)),
            ("Mathematics", [mathematics(rule)]),
            ("Hyperparameters", _arguments(_defaults(rule), known)),
            ("Options", _arguments(dict(rule.options), known)),
            ("States", states(program)),
            ("Sweeps over memory", sweeps(program)),
            ("Code", [*code(program), *_sources_of(functions)]),
            ("Sources", [Text(title, link) for doc in docs for title, link in sources(doc)]),
        ),
    )


def transform_card(
    name: str, place: str, function: Any, given: Mapping[str, Any], example: Rule | None
) -> ShownCard:
    """Return the card of a transform.

    Args:
        name: its name.
        place: "before" or "after" the rule, or "any".
        function: its function.
        given: argument -> default.
        example: the traced chain of the transform and a step along the gradient.
    """
    doc = inspect.getdoc(function) or ""
    where = {"before": "before the rule", "after": "after the rule", "any": "on any side of it"}
    shown = [] if example is None else [mathematics(example)]
    return ShownCard(
        name,
        "transform",
        first_sentence(doc),
        sections(
            ("Place", [Text(f"In a chain it stands {where[place]}.")]),
            ("Mathematics, with p - η g as the rule", shown),
            ("Arguments", _arguments(given, meanings(doc))),
            ("Code", _sources_of([function])),
            ("Sources", [Text(title, link) for title, link in sources(doc)]),
        ),
    )


def mathematics(rule: Rule) -> Mathematics:
    """Return the equations of a rule."""
    return Mathematics(tuple(latex_lines(rule)), pretty(rule))


def code(program: Program) -> list[Item]:
    """Return the loops that run, folded."""
    text = loops(program)
    return [Fold("The loops that run", (Code(text),))] if text else []


def states(program: Program) -> list[Item]:
    """Return the table of the states."""
    rows = rows_of_states(program)
    if not rows:
        return []
    return [Table(("state", "one value for each", "type", "bytes", "start"), tuple(rows.values()))]


def rows_of_states(program: Program) -> dict[str, tuple[str, ...]]:
    """Return name of a state -> name, what it has a value for, number type, bytes, start value."""
    rows: dict[str, tuple[str, ...]] = {}
    for spec in program.rule.states:
        storage = storage_of(program, spec.symbol)
        rows.setdefault(
            spec.public,
            (
                spec.public,
                _extent(spec.symbol.shape) + _of_ring(spec.symbol),
                storage.name,
                str(storage.itemsize * getattr(spec.symbol, "length", 1)),
                value_of(spec.init),
            ),
        )
    return rows


def _extent(shape: Any) -> str:
    if isinstance(shape, str):
        return shape
    if isinstance(shape, Sides):
        return " x ".join(map(str, shape))
    return f"index of axis {', '.join(map(str, shape))}"


def _of_ring(symbol: Any) -> str:
    length = getattr(symbol, "length", 0)
    return f", of the last {length} updates" if length else ""


def sweeps(program: Program) -> list[Item]:
    """Return the table of the sweeps, with a sentence on traffic and arithmetic."""
    own = plan(program)
    rows = [
        (
            str(number),
            ", ".join(one.reads),
            ", ".join(one.writes) or "nothing",
            "; ".join([*_on_matrices(one.functions), *one.reduces]),
        )
        for number, one in enumerate(own.passes, 1)
    ]
    return [Table(("pass", "reads", "writes", "computes"), tuple(rows)), Text(f"{cost(program)}.")]


def _on_matrices(names: tuple[str, ...]) -> list[str]:
    return [f"before it, on whole matrices: {', '.join(names)}"] if names else []


def _defaults(rule: Rule) -> dict[str, Any]:
    names = (symbol.name for symbol in rule.hyperparameters)
    return dict(zip(names, rule.defaults, strict=True))


def _arguments(given: Mapping[str, Any], known: Mapping[str, str]) -> list[Item]:
    if not given:
        return []
    rows = tuple((name, value_of(own), known.get(name, "")) for name, own in given.items())
    return [Table(("name", "default", "meaning"), rows)]


def value_of(value: Any) -> str:
    """Return a default or a setting as text: a number, a schedule, or the name of a function."""
    if isinstance(value, (float, sympy.Float)):
        return f"{float(value):g}"
    is_function = callable(value) and not isinstance(value, sympy.Basic)
    name = getattr(value, "__name__", "")
    return name if is_function and name else str(value)


def _members(members: list[Member]) -> list[Item]:
    rows = [
        (str(k), name, what, first_sentence(inspect.getdoc(function) or ""))
        for k, (name, what, function) in enumerate(members, 1)
    ]
    return [Table(("", "member", "kind", "what it does"), tuple(rows))] if rows else []


def _sources_of(functions: Iterable[Any]) -> list[Item]:
    found = [(getattr(function, "__name__", ""), code_of(function)) for function in functions]
    return [Fold(f"Source of {name}", (Code(text),)) for name, text in found if text]
