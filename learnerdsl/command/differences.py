"""Make what `learnerdsl compare` prints of two rules."""

import difflib
from collections.abc import Mapping
from typing import Any

from learnerdsl.command.entries import as_rule, entry
from learnerdsl.command.names import find
from learnerdsl.command.output import Section
from learnerdsl.define import UpdateRule

_FACTS = {
    "states": lambda own: " ".join(own["states"]) or "none",
    "state bytes per element": lambda own: f"{own['state_bytes']:g}",
    "other states": lambda own: _numbers(own["other_state_bytes"]),
    "traffic, bytes per element": lambda own: f"{own['traffic']:g}",
    "passes": lambda own: str(own["passes"]),
    "extras": lambda own: " ".join(own["extras"]) or "none",
    "paper": lambda own: f"{own['paper']} {own['year']}".strip() or "none",
}
"""What is compared -> its text in the entry of a rule."""


def sections(first: str, second: str, arguments: Mapping[str, Any]) -> list[Section]:
    """Return facts, mathematics, and the difference of the loops; "*" marks what differs.

    Args:
        first: name of a rule, as on the command line.
        second: name of another one.
        arguments: number types, options and shape of both; see `UpdateRule.program`.
    """
    pair = [find(first), find(second)]
    rules = [as_rule(found) for found in pair]
    entries = [entry(found) for found in pair]
    names = [rule.name for rule in rules]
    rows: list[tuple[str, ...]] = [(w, *map(text, entries)) for w, text in _FACTS.items()]
    rows += _defaults(entries)
    rows += _operations(rules, arguments)
    marked = [("" if a == b else "*", what, a, b) for what, a, b in rows]
    shown = {n: v for n, v in arguments.items() if n not in ("dtype", "states")}
    return [
        Section("", rows=(("", "", *names), *marked)),
        *(Section(f"Mathematics of {rule.name}", rule.pretty(**shown)) for rule in rules),
        Section("Difference of the loops", _difference(rules, arguments), "diff"),
    ]


def _numbers(counted: Mapping[str, Any]) -> str:
    return ", ".join(f"{n} per {what}" for what, n in counted.items()) or "none"


def _defaults(entries: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return a row for each hyperparameter and option that one of the rules has."""
    values = [{**own["hyperparameters"], **own["options"]} for own in entries]
    names = dict.fromkeys([*values[0], *values[1]])
    return [(name, *(str(own.get(name, "-")) for own in values)) for name in names]


def _operations(rules: list[UpdateRule], arguments: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row for each operation, with its number per element."""
    counts = [rule.cost(**arguments).operations_per_element for rule in rules]
    names = sorted({*counts[0], *counts[1]})
    return [(f"{name} per element", *(str(own.get(name, 0)) for own in counts)) for name in names]


def _difference(rules: list[UpdateRule], arguments: Mapping[str, Any]) -> str:
    """Return the difference of the loops, without the name of the rule in each."""
    a, b = (rule.loops(**arguments).replace(f"{rule.name}_", "").splitlines() for rule in rules)
    first, second = (rule.name for rule in rules)
    lines = difflib.unified_diff(a, b, first, second, n=100, lineterm="")
    return "\n".join(lines) or "The loops are equal."
