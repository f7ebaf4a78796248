"""Make a page for every builtin learner: its card, its curves, its judge, and related learners."""

import re
from functools import cache
from typing import Any

from learnerdsl import learners
from learnerdsl.gallery import PROBLEMS
from website.curves import Curve, panel
from website.results import results, score
from website.tables import judges

OTHERS = {"adam": "other", "sgd": "plain"}
"""Learners that each page compares with: name -> class of CSS."""


@cache
def pages() -> dict[str, str]:
    """Return path of a page -> its Markdown."""
    found = {f"learners/{name}.md": _page(name) for name in learners.__all__}
    names = "\n".join(f"* [{name}]({name}.md): {_sentence(name)}" for name in learners.__all__)
    found["learners/index.md"] = f"# Every builtin learner\n\n{names}\n"
    return found


def _sentence(name: str) -> str:
    """Return the first line of a learner's docstring."""
    return (getattr(learners, name).__doc__ or "").strip().splitlines()[0]


NOT_YET = "It has not been run on them yet: `python -m benchmarks.gallery` does so."


def _page(name: str) -> str:
    """Return the page of one learner."""
    rule = getattr(learners, name)
    parts = [
        f"# {name}",
        f'<div class="card">{rule._repr_html_()}</div>',
        "## What it is for",
        _described(rule.__doc__ or ""),
        "## On the problems of the gallery",
        *([_curves(name), _scores(name)] if name in results()["learners"] else [NOT_YET]),
        "## Who judges it",
        judges()[name],
    ]
    related = _related(name)
    if related:
        links = ", ".join(f"[`{other}`]({other}.md)" for other in related)
        parts += ["## Related", links]
    return "\n\n".join(parts) + "\n"


def _described(docstring: str) -> str:
    """Return a docstring without the sections that the card shows."""
    lines = docstring.expandtabs().splitlines()
    indents = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    margin = min(indents, default=0)
    text = "\n".join([lines[0].strip(), *(line[margin:] for line in lines[1:])])
    text = re.split(r"^Args:$", text, flags=re.MULTILINE)[0] + _section(text, "References")
    return text.strip()


def _section(text: str, title: str) -> str:
    """Return a section of a docstring as Markdown."""
    found = re.search(rf"^{title}:\n((?:    .*\n|\n)*)", text + "\n", flags=re.MULTILINE)
    if found is None:
        return ""
    body = "\n".join(line.strip() for line in found[1].splitlines())
    return f"\n\n**{title}.** {body.strip()}\n"


def _curves(name: str) -> str:
    """Return a panel for each problem that the learner can be run on."""
    drawn = []
    for problem in PROBLEMS.values():
        table = {n: results()["learners"][n][problem.name] for n in {name, *OTHERS}}
        if "refused" in table[name]:
            continue
        curves = [Curve(n, table[n]["curve"], style) for n, style in OTHERS.items() if n != name]
        curves.append(Curve(name, table[name]["curve"], "own"))
        drawn.append(panel(problem.title, curves, *_range(curves)))
    styles = {**OTHERS, name: "own"}
    key = " ".join(f'<span class="{style}">{n}</span>' for n, style in styles.items())
    return f'<div class="panels">{"".join(drawn)}</div>\n<p class="key">{key}</p>'


def _range(curves: list[Curve]) -> tuple[float, float]:
    """Return the lowest and the highest value of an axis."""
    values = [value for curve in curves for value in curve.values]
    return max(-10.0, min(-2.0, min(values))), min(1.0, max(0.5, *values))


def _scores(name: str) -> str:
    """Return the table of rates and scores."""
    rows = ["| problem | best rate | score | over seeds |", "|---|---|---|---|"]
    for problem in PROBLEMS.values():
        own: dict[str, Any] = results()["learners"][name][problem.name]
        if "refused" in own:
            rows.append(f"| {problem.title} | | not run | {own['refused']} |")
            continue
        rate = "none" if own["rate"] is None else f"{own['rate']:g}"
        spread = f"{min(own['scores'])} to {max(own['scores'])}"
        rows.append(f"| {problem.title} | {rate} | {score(name, problem.name):.2f} | {spread} |")
    note = (
        "The score is log10 of the loss at the end, the start being 0, with the best of "
        f"{len(results()['rates'])} rates and {len(results()['seeds'])} seeds; "
        "[how it is measured](../gallery/index.md#how-it-is-measured)."
    )
    return "\n".join(rows) + f"\n\n{note}"


def _related(name: str) -> list[str]:
    """Return the learners that a docstring names, and those that name it."""

    def named(one: str) -> set[str]:
        words = re.findall(r"`(\w+)`", getattr(learners, one).__doc__ or "")
        return {word for word in words if word in learners.__all__} - {one}

    found = named(name) | {other for other in learners.__all__ if name in named(other)}
    return sorted(found)
