"""Writes the table of docs/distributed.md: what each builtin learner exchanges between processes.

`PYTHONPATH=.:tests python -m support.distributed_page` writes it;
tests/torch/test_distributed_page.py fails when it is stale.
"""

from pathlib import Path

from learnerdsl import learners
from support.problems import takes_vectors

PAGE = Path(__file__).parents[2] / "docs" / "distributed.md"
MARK = (
    "<!-- Made by `PYTHONPATH=.:tests python -m support.distributed_page`; changes are lost. -->\n"
)
SHAPES = {"a vector": (8,), "a matrix": (8, 6)}


def exchanges(name, shape):
    """Return what a learner exchanges for a tensor of this shape, as a few words."""
    rule = getattr(learners, name)
    if len(shape) < 2 and not takes_vectors(name):
        return "only matrices"
    found = rule.collectives(shape=shape)
    words = []
    joins = [one for one in found.exchanges if one.kind == "join"]
    if joins:
        words.append(f"{len(joins)} join{'s' * (len(joins) > 1)}")
    for kind in ("collect", "gather"):
        names = [name for one in found.exchanges if one.kind == kind for name in one.names]
        if names:
            words.append(f"{kind} {', '.join(f'`{name}`' for name in dict.fromkeys(names))}")
    if found.needs_rows:
        words.append("rows only")
    return "; ".join(words) or "nothing"


def table():
    """Return the lines of the table."""
    lines = ["| learner | for a vector | for a matrix |", "|---|---|---|"]
    for name in sorted(learners.__all__):
        cells = [exchanges(name, shape) for shape in SHAPES.values()]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page():
    """Return the page with the present table."""
    return PAGE.read_text(encoding="utf-8").partition(MARK)[0] + MARK + "\n" + table()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
