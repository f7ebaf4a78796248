"""Compare rules: mathematics, hyperparameters, states, sweeps, loops and costs side by side."""

import difflib
import html
from collections.abc import Sequence
from dataclasses import dataclass

from learnerdsl.errors import HyperparameterError
from learnerdsl.inspection.code import loops
from learnerdsl.inspection.costs import cost
from learnerdsl.inspection.mathematics import pretty
from learnerdsl.inspection.plans import plan
from learnerdsl.pipeline import Program


@dataclass(frozen=True)
class Row:
    """A line of a comparison.

    Attributes:
        texts: what stands there for each rule; "" where a rule has no such line.
        differs: whether the rules differ in it.
    """

    texts: tuple[str, ...]
    differs: bool


@dataclass(frozen=True)
class Section:
    """A subject of a comparison.

    Attributes:
        title: "mathematics", "hyperparameters", "states", "sweeps", "cost" or "loops".
        rows: its lines.
    """

    title: str
    rows: tuple[Row, ...]

    @property
    def differs(self) -> bool:
        """Whether the rules differ in it."""
        return any(row.differs for row in self.rows)


@dataclass(frozen=True)
class Comparison:
    """Rules side by side. Its text marks the lines that differ with `|`.

    Attributes:
        names: the names of the rules.
        sections: the subjects, in order.
    """

    names: tuple[str, ...]
    sections: tuple[Section, ...]

    def __getitem__(self, title: str) -> Section:
        return next(own for own in self.sections if own.title == title)

    @property
    def differences(self) -> tuple[str, ...]:
        """The titles of the sections that differ."""
        return tuple(own.title for own in self.sections if own.differs)

    def __str__(self) -> str:
        rows = [row.texts for own in self.sections for row in own.rows]
        columns = zip(self.names, *rows, strict=True)
        widths = [max(map(len, column)) for column in columns]
        lines = [_side_by_side(self.names, widths, " ")]
        for own in self.sections:
            lines += ["", f"{own.title}:{'' if own.differs else ' the same'}"]
            marks = ["|" if row.differs else " " for row in own.rows]
            pairs = zip(own.rows, marks, strict=True)
            lines += [_side_by_side(row.texts, widths, mark) for row, mark in pairs]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.names)
        parts = [f"<table style='text-align:left'><tr>{head}</tr>"]
        for own in self.sections:
            parts.append(f"<tr><th colspan='{len(self.names)}'>{own.title}</th></tr>")
            parts += [_html_row(row) for row in own.rows]
        return "".join([*parts, "</table>"])


# Colours with alpha read well on light and on dark pages.
_MARKED = "background:rgba(255,170,0,0.22);"


def _html_row(row: Row) -> str:
    style = f"white-space:pre;font-family:monospace;text-align:left;{_MARKED * row.differs}"
    cells = "".join(f"<td style='{style}'>{html.escape(text)}</td>" for text in row.texts)
    return f"<tr>{cells}</tr>"


def _side_by_side(texts: Sequence[str], widths: Sequence[int], mark: str) -> str:
    padded = [text.ljust(width) for text, width in zip(texts, widths, strict=True)]
    return f"{mark} {f' {mark} '.join(padded)}".rstrip()


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
    subjects = {
        "mathematics": [pretty(own.rule).splitlines() for own in programs],
        "hyperparameters": [_hyperparameters(own) for own in programs],
        "states": [_states(own) for own in programs],
        "sweeps": [_sweeps(own) for own in programs],
        "cost": [_cost(own) for own in programs],
        "loops": [_loops(own) for own in programs],
    }
    sections = [Section(title, tuple(_aligned(texts))) for title, texts in subjects.items()]
    return Comparison(tuple(own.rule.name for own in programs), tuple(sections))


def _hyperparameters(program: Program) -> list[str]:
    own = program.rule
    pairs = zip(own.hyperparameters, own.defaults, strict=True)
    return [f"{symbol.name} = {value}" for symbol, value in pairs]


def _states(program: Program) -> list[str]:
    return [
        f"{spec.public}: {spec.symbol.shape}, starts at {spec.init}" for spec in program.rule.states
    ]


def _sweeps(program: Program) -> list[str]:
    return str(plan(program)).splitlines()[1:]


def _cost(program: Program) -> list[str]:
    own = cost(program)
    lines = [
        f"{own.bytes_per_element:.4g} bytes of traffic per element",
        f"{own.state_bytes_per_element:.4g} bytes of state per element",
        *(f"{n} bytes of state per {what}" for what, n in own.other_state_bytes.items()),
        *(f"{n} {name} per element" for name, n in own.operations_per_element.items()),
    ]
    return [*lines, f"{own.scalar_operations} operations per group or tensor"]


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
