"""Rules side by side, as text and as a table in HTML, with a mark where they differ."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


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
class Subject:
    """A subject of a comparison.

    Attributes:
        title: "mathematics", "hyperparameters", "options", "inputs", "states", "sweeps", "cost",
            "loops" or "sources".
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
    sections: tuple[Subject, ...]

    def __getitem__(self, title: str) -> Subject:
        return next(own for own in self.sections if own.title == title)

    @property
    def shown(self) -> tuple[Subject, ...]:
        """The sections that have lines."""
        return tuple(own for own in self.sections if own.rows)

    @property
    def differences(self) -> tuple[str, ...]:
        """The titles of the sections that differ."""
        return tuple(own.title for own in self.sections if own.differs)

    def described(self) -> dict[str, Any]:
        """Return the names and sections as JSON can write them."""
        own = [{**asdict(section), "differs": section.differs} for section in self.sections]
        return {"names": list(self.names), "sections": own}

    def __str__(self) -> str:
        rows = [row.texts for own in self.sections for row in own.rows]
        columns = zip(self.names, *rows, strict=True)
        widths = [max(map(len, column)) for column in columns]
        lines = [_side_by_side(self.names, widths, " ")]
        for own in self.shown:
            lines += ["", f"{own.title}:{'' if own.differs else ' the same'}"]
            marks = ["|" if row.differs else " " for row in own.rows]
            pairs = zip(own.rows, marks, strict=True)
            lines += [_side_by_side(row.texts, widths, mark) for row, mark in pairs]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.names)
        parts = [f"<table style='text-align:left'><tr>{head}</tr>"]
        for own in self.shown:
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


def comparison(described: Mapping[str, Any]) -> Comparison:
    """Return the comparison that `Comparison.described` describes."""
    subjects = [
        Subject(own["title"], tuple(Row(tuple(r["texts"]), r["differs"]) for r in own["rows"]))
        for own in described["sections"]
    ]
    return Comparison(tuple(described["names"]), tuple(subjects))
