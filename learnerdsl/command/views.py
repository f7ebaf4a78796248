"""Make the views of a rule that `learnerdsl show` prints."""

import html
import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from learnerdsl.command.entries import as_rule, entry, options_of
from learnerdsl.command.names import find
from learnerdsl.command.output import Section
from learnerdsl.compose import Transform
from learnerdsl.define import UpdateRule

_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)


def sections(name: str, view: str, target: str, arguments: Mapping[str, Any]) -> list[Section]:
    """Return a view of what a name means.

    Args:
        name: as on the command line.
        view: "card", or one of `show.VIEWS`.
        target: what loops and source are printed for; see `UpdateRule.program`.
        arguments: number types, options and shape; see `UpdateRule.program`.
    """
    found = find(name)
    rule = as_rule(found)
    if view == "card":
        return card(found, rule, target, dict(arguments))
    made = {
        "math": lambda: Section("", rule.pretty(**_traced(arguments))),
        "loop": lambda: Section("", rule.loops(target, **arguments), "python"),
        "source": lambda: Section("", rule.source(target, **arguments), "python"),
        "plan": lambda: Section("", f"{rule.plan(**arguments)}\n{rule.cost(**arguments)}"),
        "asm": lambda: Section("", assembly(rule, arguments), "gas"),
        "ptx": lambda: Section("", rule.ptx(**arguments), "ptx"),
    }
    return [made[view]()]


def _traced(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that the mathematics depends on."""
    return {name: v for name, v in arguments.items() if name not in ("dtype", "states")}


def card(
    found: UpdateRule | Transform, rule: Any, target: str, arguments: dict[str, Any]
) -> list[Section]:
    """Return all that one wants to know first."""
    rule.program(target, **arguments)  # a card shows a mistake, a command stops at it
    if hasattr(rule, "card"):
        return [Section("", str(_card(found, arguments)))]
    own = entry(found)
    text = inspect.getdoc(found) or ""
    about = text.partition("\n\nArgs:")[0]
    prose = [part for part in about.split("\n\n") if not part.startswith("$$")]
    summary = "\n\n".join(prose).replace("$", "")
    parts = [Section(found.name, summary or own["kind"])]
    parts.append(Section("Mathematics", rule.pretty(**_traced(arguments))))
    if own["hyperparameters"] or own["options"]:
        head = ("hyperparameter", "default", "meaning")
        meanings = documented(text)
        values = {**own["hyperparameters"], **options_of(found)}
        rows = [(n, f"{value}", meanings.get(n, "")) for n, value in values.items()]
        parts.append(Section("Hyperparameters and options", rows=(head, *rows)))
    shown = f"{rule.plan(**arguments)}\n{rule.cost(**arguments)}"
    parts.append(Section("Passes over memory", shown))
    parts.append(Section("Loops", rule.loops(target, **arguments), "python"))
    if own["url"]:
        parts.append(Section("Paper", f"{own['paper']}, {own['year']}\n{own['url']}"))
    return parts


def documented(text: str) -> dict[str, str]:
    """Return argument -> its description in a docstring of Google's style."""
    part = text.partition("\nArgs:\n")[2]
    found = {match[1]: " ".join(match[2].split()) for match in _ARGUMENT.finditer(part)}
    return {name: _plain(meaning).rstrip(".") for name, meaning in found.items()}


def _plain(meaning: str) -> str:
    """Return a description without the LaTeX of its symbol."""
    return re.sub(r"\s*\$[^$]*\$,?", "", meaning).strip(" ,")


def assembly(rule: Any, arguments: Mapping[str, Any]) -> str:
    """Return the machine code of a rule for one parameter; of its loops where they can be told."""
    if hasattr(rule, "asm"):
        return str(rule.asm(loop=True, **arguments))
    own = dict(arguments)
    shape = own.pop("shape", (64, 64))
    dtype = np.dtype(own.pop("dtype"))
    return rule([np.ones(shape, dtype)], **own).asm()


def described(name: str) -> dict[str, Any]:
    """Return what the table of builtins has of a rule."""
    found = find(name)
    return entry(found)


def page(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the card as a page of HTML."""
    found = find(name)
    rule: Any = as_rule(found)
    rule.program(**arguments)
    if hasattr(rule, "card"):
        return _card(found, arguments).page()
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(found.name)}</title>'
        f"</head>\n<body>\n{rule._repr_html_()}\n</body></html>\n"
    )


def _card(found: Any, arguments: Mapping[str, Any]) -> Any:
    """Return the card of a rule as it is compiled, or of a transform, which is not by itself."""
    return found.card(**({} if isinstance(found, Transform) else arguments))
