"""Read from docs/learners.md what judges each learner."""

import re
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "learners.md"
ROW = re.compile(r"^\| \[`(\w+)`\].*\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@cache
def judges() -> dict[str, str]:
    """Return learner -> a sentence on what it is compared with."""
    return {name: _sentence(judge, error) for name, judge, error in ROW.findall(PAGE.read_text())}


def _sentence(judge: str, error: str) -> str:
    """Return what a learner is compared with."""
    if not judge.startswith("`"):
        return "A reference that was written by hand from the paper."
    return (
        f"A reference that was written by hand from the paper, and {judge} itself: in 20 steps in "
        f"float64 the largest difference was {error} of the movement."
    )
