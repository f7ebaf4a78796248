"""Print a comparison of rules: in columns if the terminal is wide enough, else in lines."""

from collections.abc import Iterator
from itertools import groupby

import click
from rich.table import Table
from rich.text import Text

from learnerdsl.cards.comparisons import Comparison, Row
from learnerdsl.command.output import results

_TITLE, _DIFFERENT = "bold", "yellow"


def print_comparison(found: Comparison) -> None:
    """Print a comparison; in a file or a pipe as its text."""
    console = results()
    text = str(found)
    if not console.is_terminal:
        click.echo(text)
    elif max(map(len, text.splitlines())) <= console.width:
        console.print(_columns(found))
    else:
        for line in _stacked(found):
            console.print(line, soft_wrap=True)


def _columns(found: Comparison) -> Table:
    """Return a table with a column for each rule."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style=_TITLE)
    for name in ("", *found.names):
        table.add_column(name, no_wrap=True)
    for section in found.shown:
        table.add_row()
        table.add_row("", Text(_title(section.title, section.differs), style=_TITLE))
        for row in section.rows:
            style = _DIFFERENT if row.differs else ""
            table.add_row("|" if row.differs else "", *map(Text, row.texts), style=style)
    return table


def _stacked(found: Comparison) -> Iterator[Text]:
    """Yield lines: what is equal once, what differs for one rule after the other."""
    for section in found.shown:
        yield Text(_title(section.title, section.differs), style=_TITLE)
        for differs, group in groupby(section.rows, lambda row: row.differs):
            rows = list(group)
            yield from _each(found.names, rows) if differs else _once(rows)
        yield Text()


def _title(title: str, differs: bool) -> str:
    return f"{title}:{'' if differs else ' the same'}"


def _once(rows: list[Row]) -> Iterator[Text]:
    for row in rows:
        yield Text(f"  {row.texts[0]}".rstrip())


def _each(names: tuple[str, ...], rows: list[Row]) -> Iterator[Text]:
    for number, name in enumerate(names):
        lines = [row.texts[number] for row in rows if row.texts[number]]
        if lines:
            yield Text(name, style=_TITLE)
        for line in lines:
            yield Text(f"| {line.rstrip()}", style=_DIFFERENT)
