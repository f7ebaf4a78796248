"""Print texts, code and tables; with colours in a terminal, as plain text elsewhere."""

import importlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Section:
    """A part of what a command prints.

    Attributes:
        title: its heading; "" for none.
        text: its lines.
        language: a name that Pygments knows, for code; "" for text.
    """

    title: str
    text: str = ""
    language: str = ""


def results() -> Console:
    """Return the console of results: standard output."""
    return Console(highlight=False, markup=False, emoji=False)


def complaints() -> Console:
    """Return the console of errors and progress: standard error."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_sections(sections: Sequence[Section]) -> None:
    """Print sections, with an empty line between them."""
    console = results()
    for number, section in enumerate(sections):
        if number:
            console.print()
        if section.title:
            console.print(Text(section.title, style="bold"))
        if section.language and console.is_terminal and not console.no_color:
            console.print(_coloured(section), soft_wrap=True)
        else:
            # Not through the console: it would break the lines of code where a window is narrow.
            click.echo(section.text)


def _coloured(section: Section) -> Any:
    """Return code with colours of the terminal's own; Pygments is imported for nothing else."""
    syntax = importlib.import_module("rich.syntax").Syntax
    return syntax(section.text, section.language, theme="ansi_dark", background_color="default")


def print_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> None:
    """Print a table; in a file or pipe as aligned text, a line for each row.

    Args:
        head: names of the columns.
        rows: the cells.
        right: numbers of the columns that are aligned to the right.
    """
    console = results()
    if not console.is_terminal:
        click.echo("\n".join(_aligned([head, *rows], right)))
        return
    made = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(head):
        justify = "right" if number in right else "left"
        made.add_column(name, justify=justify, overflow="fold", no_wrap=number == 0)
    for row in rows:
        made.add_row(*map(Text, row))
    console.print(made)


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def packed(sections: Sequence[Section]) -> str:
    """Return sections as one text, for a file."""
    return json.dumps([asdict(section) for section in sections])


def unpacked(text: str) -> list[Section]:
    """Return the sections of a text that `packed` made."""
    return [Section(**own) for own in json.loads(text)]
