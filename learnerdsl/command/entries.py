"""Describe a rule by what one looks for: memory, traffic, passes, extras, paper.

`python -m learnerdsl.command.entries` writes the table of the builtins again.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Any

from learnerdsl import chain, learners, transforms
from learnerdsl.command.catalogue import FILE
from learnerdsl.command.families import FAMILY_OF
from learnerdsl.compose import Transform
from learnerdsl.define import UpdateRule
from learnerdsl.expr import StateSymbol

_PAPER = re.compile(r"\[([^\]]+)\]\((\S+?)\)")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b(?![^\[]*\])")


def entry(found: UpdateRule | Transform, name: str | None = None) -> dict[str, Any]:
    """Return what the table has of a rule or transform, as JSON can write it.

    Bytes are those of float32 matrices, per element. A transform is described as its chain with
    `sgd`, which has no states.

    Args:
        found: a rule or transform.
        name: its name in the table; None for its own.

    Returns:
        `name`, `kind` ("learner" or "transform"), `family`, `summary` (the first line of its
        documentation), `paper`, `year`, `url`, `hyperparameters` (name -> default), `options`,
        `states` (names), `state_bytes` per element, `other_state_bytes` (what has a value -> bytes
        of each), `traffic` in bytes per element, `passes`, `extras` (inputs besides the gradient),
        `uses_matrices` (whether it needs products or other functions of whole matrices).
    """
    rule = as_rule(found)
    traced, plan, cost = rule.trace(), rule.plan(), rule.cost()
    text = inspect.getdoc(found) or ""
    own = name or found.name
    defaults = dict(zip(map(str, traced.hyperparameters), traced.defaults, strict=True))
    if isinstance(found, Transform):
        defaults = {n: v for n, v in defaults.items() if n in found.hyperparameters}
    return {
        "name": own,
        "kind": "transform" if isinstance(found, Transform) else "learner",
        "family": found.place if isinstance(found, Transform) else FAMILY_OF.get(own, ""),
        "summary": text.partition("\n")[0],
        **reference(text),
        "hyperparameters": {n: _plain(value) for n, value in defaults.items()},
        "options": {n: _plain(value) for n, value in options_of(found).items()},
        "states": list(dict.fromkeys(_state(spec.symbol) for spec in traced.states)),
        "state_bytes": cost.state_bytes_per_element,
        "other_state_bytes": cost.other_state_bytes,
        "traffic": plan.bytes_per_element,
        "passes": len(plan.passes),
        "extras": [str(extra) for extra in traced.extras],
        "uses_matrices": any(one.functions for one in plan.passes),
    }


def as_rule(found: UpdateRule | Transform) -> UpdateRule:
    """Return a rule, or the chain of a transform with `sgd`, by which it can be shown."""
    if isinstance(found, UpdateRule):
        return found
    members = (learners.sgd, found) if found.place == "after" else (found, learners.sgd)
    return chain(*members, name=found.name)


def reference(text: str) -> dict[str, str]:
    """Return title, year and address of the first paper in a docstring; "" for what it lacks."""
    references = " ".join(text.partition("References:")[2].split())
    paper = _PAPER.search(references)
    year = _YEAR.search(references, paper.end() if paper else 0)
    return {
        "paper": paper[1] if paper else "",
        "year": year[0] if year else "",
        "url": paper[2] if paper else "",
    }


def options_of(found: UpdateRule | Transform) -> dict[str, Any]:
    """Return the options of a rule or transform with their defaults."""
    if isinstance(found, Transform):
        return dict(found.options)
    arguments = inspect.signature(found).parameters
    return {name: arguments[name].default for name in found._option_names}


def _state(symbol: StateSymbol) -> str:
    """Return the name of a state; arrays of a ring have one name."""
    return symbol.name.rpartition("_")[0] if hasattr(symbol, "length") else symbol.name


def _plain(value: Any) -> Any:
    """Return a default as JSON can write it: a schedule as its text."""
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def table() -> list[dict[str, Any]]:
    """Return the entries of all builtins."""
    packages = (learners, transforms)
    return [entry(getattr(package, n), n) for package in packages for n in package.__all__]


def text_of(entries: list[dict[str, Any]]) -> str:
    """Return the content of the file: a line for each entry."""
    lines = [json.dumps(one, ensure_ascii=False) for one in entries]
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    Path(__file__).with_name(FILE).write_text(text_of(table()), encoding="utf-8")
