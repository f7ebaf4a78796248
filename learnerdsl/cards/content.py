"""The content of a card: sections with sentences, mathematics, tables, code and curves."""

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str


@dataclass(frozen=True)
class Text:
    """A sentence.

    Attributes:
        text: its words.
        link: address that it leads to; "" for none.
        is_error: whether it is the message of an error.
    """

    text: str
    link: str = ""
    is_error: bool = False


@dataclass(frozen=True)
class Mathematics:
    """Equations.

    Attributes:
        lines: left side, relation and right side of each, in LaTeX.
        plain: the same equations in plain text.
    """

    lines: tuple[tuple[str, str, str], ...]
    plain: str


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: names of the columns.
        rows: the cells of each row.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Code:
    """Code.

    Attributes:
        text: the code.
        language: "python" for syntax colours, "" for none, "diff" if each line begins with a mark:
            "+" for a new line, "-" for one that is gone, a blank for one that stayed.
    """

    text: str
    language: str = "python"


@dataclass(frozen=True)
class Curve:
    """The values of a schedule.

    Attributes:
        values: value at update 1, 2 and so on of `steps`.
        steps: numbers of the updates.
        marked: the step to mark; None for none.
    """

    steps: tuple[int, ...]
    values: tuple[float, ...]
    marked: int | None = None


@dataclass(frozen=True)
class Fold:
    """A part that is folded until a reader opens it.

    Attributes:
        title: what stays to be seen.
        items: its content.
    """

    title: str
    items: "tuple[Item, ...]"


Item = Text | Mathematics | Table | Code | Curve | Fold


@dataclass(frozen=True)
class Section:
    """A section of a card.

    Attributes:
        title: its heading; "" for none.
        items: its content.
    """

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Card:
    """What there is to see of an object.

    Attributes:
        title: its name.
        kind: what it is, such as "rule".
        summary: one sentence about it; "" for none.
        sections: the rest, in order.
    """

    title: str
    kind: str
    summary: str = ""
    sections: tuple[Section, ...] = ()


def sections(*pairs: tuple[str, Sequence[Item]]) -> tuple[Section, ...]:
    """Return the sections that have content, from (title, items) pairs."""
    return tuple(Section(title, tuple(items)) for title, items in pairs if items)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which gets an s unless there is one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
