"""Show a card as HTML that needs no network and no script, light and dark."""

import html
import importlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from learnerdsl.cards.content import (
    Card,
    Code,
    Curve,
    Fold,
    Item,
    Mathematics,
    Section,
    Table,
    Text,
    sections,
)
from learnerdsl.cards.curves import svg
from learnerdsl.cards.plain import plain_text
from learnerdsl.cards.styles import STYLE
from learnerdsl.errors import in_a_sentence

_WORD = re.compile(r'(?:<mi mathvariant="normal">[^<]*</mi>){2,}')
_LETTER = re.compile(r">([^<]*)<")


@dataclass(frozen=True)
class ShownCard(Card):
    """A card that shows itself: as text if it is printed, as HTML in a notebook."""

    def __str__(self) -> str:
        return plain_text(self)

    def __repr__(self) -> str:
        return f"<card of {self.kind} {self.title}>"

    def html(self) -> str:
        """Return the card as a fragment of HTML, with its styles, for any page."""
        return f"<style>{STYLE}</style>{body(self)}"

    def page(self) -> str:
        """Return the card as an HTML document of its own, which needs no other file."""
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/>'
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
            f"<title>{html.escape(self.title)}</title><style>{STYLE}"
            "body{margin:1rem auto;max-width:60rem;padding:0 .8rem;background:Canvas;"
            "color-scheme:light dark}</style></head>"
            f"<body>{body(self)}</body></html>\n"
        )

    def _repr_html_(self) -> str:
        return self.html()


class HasCard:
    """An object that a notebook shows as its card."""

    def card(self) -> ShownCard:
        """Return what there is to see of this object; print it, or write `.html()`."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self.card().html()


def error_card(title: str, kind: str, error: BaseException) -> ShownCard:
    """Return the card of an object that cannot be shown, with the error that says why."""
    message = Text(in_a_sentence(error), is_error=True)
    return ShownCard(title, kind, "", sections(("Error", [message])))


def body(card: Card) -> str:
    """Return a card as an element of HTML, without styles."""
    parts = [
        f'<div class="ld-card"><div class="ld-title">{html.escape(card.title)} '
        f'<span class="ld-kind">{html.escape(card.kind)}</span></div>'
    ]
    if card.summary:
        parts.append(f"<p>{html.escape(card.summary)}</p>")
    parts += map(_section, card.sections)
    return "".join([*parts, "</div>"])


def _section(section: Section) -> str:
    title = f'<div class="ld-heading">{html.escape(section.title)}</div>' if section.title else ""
    return f'<div class="ld-section">{title}{"".join(map(_item, section.items))}</div>'


def _item(item: Item) -> str:
    if isinstance(item, Text):
        return _text(item)
    if isinstance(item, Mathematics):
        return _mathematics(item)
    if isinstance(item, Table):
        return _table(item)
    if isinstance(item, Code):
        inner = _diff(item.text) if item.language == "diff" else _code(item)
        return f'<pre class="ld-code">{inner}</pre>'
    if isinstance(item, Curve):
        return svg(item)
    return _fold(item)


def _fold(fold: Fold) -> str:
    inner = "".join(map(_item, fold.items))
    return f"<details><summary>{html.escape(fold.title)}</summary>{inner}</details>"


def _text(item: Text) -> str:
    text = html.escape(item.text)
    if re.match(r"https?://", item.link):
        text = f'<a href="{html.escape(item.link)}" rel="noopener">{text}</a>'
    return f'<p class="ld-error">{text}</p>' if item.is_error else f"<p>{text}</p>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.head)
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows
    )
    return (
        f'<div class="ld-wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _mathematics(item: Mathematics) -> str:
    rows = "".join(
        f'<tr><td class="ld-left">{mathml(left)}</td><td>{mathml(f"{relation} {right}")}</td></tr>'
        for left, relation, right in item.lines
    )
    return f'<div class="ld-wide"><table class="ld-equations"><tbody>{rows}</tbody></table></div>'


@lru_cache(4096)
def mathml(latex: str) -> str:
    """Return LaTeX as MathML; words are single identifiers, which are upright and are read out."""
    # Loaded when needed: most programs show no HTML, and its table of symbols takes a while.
    converter = importlib.import_module("latex2mathml.converter")
    text = converter.convert(latex)
    text = _WORD.sub(lambda m: f"<mi>{''.join(_LETTER.findall(m[0]))}</mi>", text)
    start = f'<math displaystyle="true" alttext="{html.escape(latex)}"'
    return text.replace("<math", start, 1)


def _code(item: Code) -> str:
    """Return code with syntax colours where Pygments is installed, as it is beside notebooks."""
    pygments = _pygments() if item.language == "python" else None
    if pygments is None:
        return html.escape(item.text)
    formatter = pygments["formatters"].HtmlFormatter(nowrap=True, classprefix="ld-")
    return pygments["main"].highlight(item.text, pygments["lexers"].PythonLexer(), formatter)


@lru_cache(1)
def _pygments() -> dict[str, Any] | None:
    names = {"main": "pygments", "lexers": "pygments.lexers", "formatters": "pygments.formatters"}
    try:
        return {key: importlib.import_module(name) for key, name in names.items()}
    except ModuleNotFoundError:
        return None


_MARKS = {"+": "ins", "-": "del"}


def _diff(text: str) -> str:
    """Return lines with their changes marked."""
    lines = []
    for line in text.splitlines():
        tag = _MARKS.get(line[:1])
        escaped = html.escape(line)
        lines.append(f"<{tag}>{escaped}</{tag}>" if tag else escaped)
    return "\n".join(lines)
