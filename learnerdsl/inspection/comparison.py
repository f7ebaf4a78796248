"""Compare rules: mathematics, arguments, states, sweeps, costs and loops side by side."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from learnerdsl.cards.comparisons import Comparison, Row, Subject
from learnerdsl.errors import HyperparameterError
from learnerdsl.inspection.code import loops
from learnerdsl.inspection.costs import cost
from learnerdsl.inspection.docstrings import sources
from learnerdsl.inspection.mathematics import pretty
from learnerdsl.inspection.plans import plan
from learnerdsl.inspection.rule_cards import rows_of_states, value_of
from learnerdsl.pipeline import Program

TITLES = (
    "mathematics",
    "hyperparameters",
    "options",
    "inputs",
    "states",
    "sweeps",
    "cost",
    "loops",
    "sources",
)
"""The subjects, in the order in which they are shown."""


def compare(programs: Sequence[Program]) -> Comparison:
    """Return the comparison of compiled rules; the others are aligned with the first.

    Raises:
        HyperparameterError: there are fewer than two.
    """
    if len(programs) < 2:
        msg = (
            f"A comparison needs two rules or more, got {len(programs)}; write compare(adam, lion)."
        )
        raise HyperparameterError(msg)
    named = {
        "hyperparameters": [_hyperparameters(own) for own in programs],
        "options": [_of_values(dict(own.rule.options)) for own in programs],
        "states": [_states(own) for own in programs],
        "cost": [_cost(own) for own in programs],
    }
    texts = {
        "mathematics": [pretty(own.rule).splitlines() for own in programs],
        "inputs": [["gradient", *map(str, own.rule.extras)] for own in programs],
        "sweeps": [_sweeps(own) for own in programs],
        "loops": [_loops(own) for own in programs],
        "sources": [[title for title, _ in sources(own.rule.doc)] for own in programs],
    }
    rows = {title: _by_name(own) for title, own in named.items()}
    rows |= {title: _aligned(own) for title, own in texts.items()}
    subjects = [Subject(title, tuple(rows[title])) for title in TITLES]
    return Comparison(tuple(own.rule.name for own in programs), tuple(subjects))


def _hyperparameters(program: Program) -> dict[str, str]:
    own = program.rule
    return _of_values(dict(zip(map(str, own.hyperparameters), own.defaults, strict=True)))


def _of_values(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{name} = {value_of(value)}" for name, value in values.items()}


def _states(program: Program) -> dict[str, str]:
    """Return the lines of the states; the arrays of a ring have one."""
    return {
        name: f"{name}: one {dtype} for each {what}, starts at {start}"
        for name, what, dtype, _, start in rows_of_states(program).values()
    }


def _sweeps(program: Program) -> list[str]:
    return str(plan(program)).splitlines()[1:]


def _cost(program: Program) -> dict[str, str]:
    own = cost(program)
    numbers = {
        "bytes of traffic per element": own.bytes_per_element,
        "bytes of state per element": own.state_bytes_per_element,
        **{f"bytes of state per {what}": n for what, n in own.other_state_bytes.items()},
        **{f"{name} per element": n for name, n in own.operations_per_element.items()},
    }
    lines = {what: f"{n:.4g} {what}" for what, n in numbers.items()}
    return {**lines, "scalars": own.scalars}


def _loops(program: Program) -> list[str]:
    """Return the loops, without the rule's own name, which always differs."""
    return loops(program).replace(f"{program.rule.name}_pass", "pass").splitlines()


def _aligned(texts: Sequence[list[str]]) -> list[Row]:
    """Return rows of the lines of each text, equal lines of the first and another in one row."""
    slots: list[list[list[str]]] = [[[] for _ in texts] for _ in range(2 * len(texts[0]) + 1)]
    for line, text in enumerate(texts[0]):
        slots[2 * line + 1][0] = [text]
    for number, other in enumerate(texts[1:], 1):
        matcher = difflib.SequenceMatcher(None, texts[0], other, autojunk=False)
        for kind, first, end, start, stop in matcher.get_opcodes():
            own = other[start:stop]
            if kind == "equal":
                for k, text in enumerate(own):
                    slots[2 * (first + k) + 1][number] = [text]
                continue
            # A changed line stands beside the one that it replaces, as far as there are as many.
            for k, text in enumerate(own[: end - first]):
                slots[2 * (first + k) + 1][number] = [text]
            slots[2 * end][number] = own[end - first :]
    rows: list[Row] = []
    for slot in slots:
        for k in range(max(map(len, slot))):
            cells = tuple(lines[k] if k < len(lines) else "" for lines in slot)
            rows.append(Row(cells, len(set(cells)) > 1))
    return rows


def _by_name(texts: Sequence[Mapping[str, str]]) -> list[Row]:
    """Return rows of the lines of each text, those of the same name in one row."""
    order = list(texts[0])
    for other in texts[1:]:
        place = 0
        for name in other:
            if name not in order:
                order.insert(place, name)
            place = order.index(name) + 1
    found = [tuple(own.get(name, "") for own in texts) for name in order]
    return [Row(cells, len(set(cells)) > 1) for cells in found]
