"""Run every builtin learner on every problem of the gallery, and keep what came out.

`python -m benchmarks.gallery` writes docs/gallery/results.json, from which the pages are made. It
goes on where it was stopped; `--again NAME ...` runs some learners again, `--problem NAME` all of
them on one problem. Processors round differently in the last digits, and some problems amplify
that, so scores may differ a little.
"""

import argparse
import json
import multiprocessing
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from learnerdsl import learners
from learnerdsl.gallery import PROBLEMS, RATES, SEEDS, refusal, tune

RESULTS = Path(__file__).parents[1] / "docs" / "gallery" / "results.json"
POINTS = 31
"""Number of places of a curve that are kept."""


def result(name: str, problems: Sequence[str] = tuple(PROBLEMS)) -> tuple[str, dict[str, Any]]:
    """Return what a learner gave on some problems."""
    rule = getattr(learners, name)
    found: dict[str, Any] = {}
    for problem in map(PROBLEMS.__getitem__, problems):
        reason = refusal(rule, problem)
        if reason:
            found[problem.name] = {"refused": reason}
            continue
        tuned = tune(rule, problem)
        curve = np.log10(np.clip(tuned.losses(POINTS), 1e-10, 1e6))
        found[problem.name] = {
            "rate": tuned.rate,
            "scores": [round(run.score, 2) for run in tuned.runs],
            "curve": [round(float(value), 2) for value in curve],
            "medians": [round(float(np.median(own)), 2) for own in tuned.scores.values()],
        }
    return name, found


def write(results: dict[str, Any]) -> None:
    """Write the results, with a line for each learner and problem."""
    lines = []
    for name in sorted(results):
        own = [f"  {json.dumps(p)}: {json.dumps(v)}" for p, v in results[name].items()]
        lines.append(f" {json.dumps(name)}: {{\n" + ",\n".join(own) + "\n }")
    head = f'{{"rates": {json.dumps(RATES)}, "seeds": {json.dumps(SEEDS)}, "learners": {{\n'
    new = RESULTS.with_suffix(".new")
    new.write_text(head + ",\n".join(lines) + "\n}}\n")
    os.replace(new, RESULTS)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--problem", choices=PROBLEMS)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    kept = json.loads(RESULTS.read_text())["learners"] if RESULTS.exists() else {}
    results = {name: own for name, own in kept.items() if name not in arguments.again}
    missing = [name for name in learners.__all__ if name not in results]
    run = result
    if arguments.problem:
        missing, run = list(results), partial(result, problems=[arguments.problem])
    spawned = multiprocessing.get_context("spawn")
    with spawned.Pool(arguments.workers, maxtasksperchild=8) as pool:
        for name, found in pool.imap_unordered(run, missing):
            results[name] = {**results.get(name, {}), **found}
            write(results)
            print(name, *(np.median(own.get("scores", [np.nan])) for own in found.values()))


if __name__ == "__main__":
    main()
