"""Typeset mathematics as MathML, which browsers show without a script."""

import html
import re

from latex2mathml.converter import convert

MARKED = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def typeset(page: str) -> str:
    """Replace LaTeX that the Markdown extension has marked by MathML."""
    return MARKED.sub(_formula, page)


def _formula(found: re.Match[str]) -> str:
    """Return one formula as MathML; a wide one can be scrolled."""
    display = "block" if found[2] == "[" else "inline"
    formula = convert(html.unescape(found[3]).strip(), display=display)
    return f'<div class="formula">{formula}</div>' if display == "block" else formula
