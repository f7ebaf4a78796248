"""Read the results of the gallery."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).parents[1] / "docs" / "gallery" / "results.json"


@cache
def results() -> dict[str, Any]:
    """Return rates, seeds, and learner -> problem -> what came out; see benchmarks/gallery.py."""
    return json.loads(FILE.read_text())


def score(learner: str, problem: str) -> float | None:
    """Return the median score of a learner on a problem; None if it was refused."""
    own = results()["learners"][learner][problem]
    return None if "refused" in own else float(np.median(own["scores"]))


def ranked() -> list[str]:
    """Return the learners, the best mean rank over the problems first.

    The rank of a learner that is refused on a problem is that of the last one.
    """
    table = results()["learners"]
    places: dict[str, list[int]] = {name: [] for name in table}
    for problem in next(iter(table.values())):
        scores = {name: score(name, problem) for name in table}
        for name, own in scores.items():
            better = sum(s is not None and own is not None and s < own for s in scores.values())
            places[name].append(better if own is not None else len(table))
    return sorted(table, key=lambda name: (float(np.mean(places[name])), name))
