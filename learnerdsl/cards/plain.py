"""Show a card in plain text."""

import textwrap

from learnerdsl.cards.content import Card, Code, Curve, Fold, Item, Mathematics, Table, Text

_WIDTH = 100
_BLOCKS = "▁▂▃▄▅▆▇█"
_COLUMNS = 60


def plain_text(card: Card) -> str:
    """Return a card as text of several lines."""
    head = f"{card.title} ({card.kind})"
    parts = [f"{head}\n{'=' * len(head)}"]
    if card.summary:
        parts.append(textwrap.fill(card.summary, _WIDTH))
    for section in card.sections:
        body = "\n\n".join(map(_item, section.items))
        title = f"{section.title}\n{'-' * len(section.title)}\n" if section.title else ""
        parts.append(title + body)
    return "\n\n".join(parts)


def _item(item: Item) -> str:
    if isinstance(item, Text):
        has_title = item.link and item.link != item.text
        text = f"{item.text}: {item.link}" if has_title else item.text
        return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    if isinstance(item, Mathematics):
        return textwrap.indent(item.plain, "  ")
    if isinstance(item, Table):
        return _table(item)
    if isinstance(item, Code):
        return textwrap.indent(item.text, "    ")
    if isinstance(item, Curve):
        return _curve(item)
    return _fold(item)


def _fold(fold: Fold) -> str:
    return "\n\n".join([f"[{fold.title}]", *map(_item, fold.items)])


def _table(table: Table) -> str:
    rows = [table.head, *table.rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(table.head))]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _curve(curve: Curve) -> str:
    """Return a curve as a row of blocks with its range."""
    low, high = min(curve.values), max(curve.values)
    count = len(curve.values)
    chosen = [curve.values[k * count // _COLUMNS] for k in range(_COLUMNS)]
    span = high - low or 1.0
    blocks = "".join(_BLOCKS[round((len(_BLOCKS) - 1) * (value - low) / span)] for value in chosen)
    line = f"  {blocks}\n  from step {curve.steps[0]} to {curve.steps[-1]}: {low:.4g} to {high:.4g}"
    return line if curve.marked is None else f"{line}; step {curve.marked} is next"
