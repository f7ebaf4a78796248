"""Make the card of a learner."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from learnerdsl.cards import Item, ShownCard, Table, Text, counted
from learnerdsl.cards.content import sections
from learnerdsl.inspection.costs import cost
from learnerdsl.inspection.docstrings import first_sentence
from learnerdsl.inspection.rule_cards import code, mathematics, sweeps, value_of
from learnerdsl.pipeline import Program
from learnerdsl.schedules import Schedule
from learnerdsl.schedules.definition import curve, formula

MOST = 12
"""Number of parameters that a card lists."""


@dataclass(frozen=True)
class Setting:
    """A hyperparameter of a learner.

    Attributes:
        group: the group that it is of; "" if there is one alone.
        name: its name.
        given: the number or schedule that was set.
        value: its value at the next update; None if the schedule has none.
    """

    group: str
    name: str
    given: Any
    value: float | None


@dataclass(frozen=True)
class Held:
    """A parameter of a learner: its name, its shape, and its compiled rule."""

    name: str
    shape: tuple[int, ...]
    program: Program


def learner_card(
    held: Sequence[Held],
    settings: Sequence[Setting],
    step: int,
    backend: str,
    threads: str,
    frozen: Sequence[str] = (),
) -> ShownCard:
    """Return the card of a learner.

    Args:
        held: its parameters.
        settings: its hyperparameters.
        step: number of updates done.
        backend: name of the backend.
        threads: how updates run.
        frozen: names of the parameters that it leaves as they are.
    """
    programs = list(dict.fromkeys(id(own.program) for own in held))
    by_id = {id(own.program): own.program for own in held}
    first = by_id[programs[0]]
    elements = sum(math.prod(own.shape) for own in held)
    memory = _memory(held)
    total = sum(memory.values())
    now = (
        f"{counted(len(held), 'parameter')}, {counted(elements, 'element')}, "
        f"{_size(total)} of states; {counted(step, 'update')} done; backend {backend}, {threads}."
    )
    return ShownCard(
        first.rule.name,
        "learner",
        first_sentence(first.rule.doc),
        sections(
            ("Now", [Text(now)]),
            ("Hyperparameters", [_settings(settings), *_curves(settings, step)]),
            ("Parameters", [*_parameters(held), *_names_of(frozen)]),
            ("Memory", _table_of_memory(memory)),
            ("Mathematics", [mathematics(first.rule)]),
            ("Sweeps over memory", [item for key in programs for item in sweeps(by_id[key])]),
            ("Code", [item for key in programs for item in code(by_id[key])]),
        ),
    )


def _size(count: float) -> str:
    """Return a number of bytes with a fitting unit."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"


def _memory(held: Sequence[Held]) -> Counter[str]:
    """Return array of a state -> its bytes over all parameters."""
    found: Counter[str] = Counter()
    for own in held:
        of_model = {s.symbol.name for s in own.program.rule.states if s.symbol.shape == "model"}
        for array in cost(own.program).arrays:
            size = math.prod(array.array_shape(own.shape)) * array.itemsize
            if array.name in of_model:
                found[array.name] = size
            else:
                found[array.name] += size
    return found


def _table_of_memory(memory: Counter[str]) -> list[Item]:
    rows = tuple((name, _size(size)) for name, size in memory.items())
    return [Table(("state", "memory"), rows)] if rows else []


def _settings(settings: Sequence[Setting]) -> Table:
    has_groups = len({setting.group for setting in settings}) > 1
    rows = []
    for own in settings:
        value = "none at the next step" if own.value is None else f"{own.value:.6g}"
        schedule = value_of(own.given) if callable(own.given) else ""
        schedule = "below" if isinstance(own.given, Schedule) else schedule
        rows.append((*([own.group] if has_groups else []), own.name, value, schedule))
    return Table((*(["group"] if has_groups else []), "name", "value", "schedule"), tuple(rows))


def _curves(settings: Sequence[Setting], step: int) -> list[Item]:
    """Return the mathematics and the curve of each schedule, with the next update marked."""
    groups: dict[tuple[str, Any], list[str]] = {}
    for own in settings:
        if isinstance(own.given, Schedule):
            groups.setdefault((own.name, own.given), []).append(own.group)
    found: list[Item] = []
    for (name, schedule), numbers in groups.items():
        is_of_all = len(numbers) == len({own.group for own in settings})
        of_groups = "" if is_of_all else f" of group {', '.join(numbers)}"
        found.append(Text(f"{name}{of_groups}, where step {step + 1} is next:"))
        upright = rf"\mathrm{{{name}}}".replace("_", r"\_")
        found += [formula(schedule, upright), curve(schedule, step + 1)]
    return found


def _names_of(frozen: Sequence[str]) -> list[Item]:
    """Return a sentence on the parameters that are frozen, if there are any."""
    if not frozen:
        return []
    more = len(frozen) - MOST
    names = ", ".join(frozen[:MOST]) + (f" and {more:,} more" if more > 0 else "")
    return [Text(f"Frozen, without states and not counted: {names}.")]


def _parameters(held: Sequence[Held]) -> list[Item]:
    rows = tuple(
        (
            own.name,
            " x ".join(map(str, own.shape)) or "1",
            f"{math.prod(own.shape):,}",
            str(own.program.precision),
        )
        for own in held[:MOST]
    )
    table = Table(("name", "shape", "elements", "number types"), rows)
    more = len(held) - len(rows)
    return [table, Text(f"and {more:,} more.")] if more else [table]
