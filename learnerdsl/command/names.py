"""Find what a command line names: a builtin, a rule in a file or a module, or a chain of them."""

import ast
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from learnerdsl.command.catalogue import builtin_names, catalogue
from learnerdsl.errors import HyperparameterError, UnknownNameError, suggestion

JOIN = "+"

NAMED = "learnerdsl.named"
"""Key of the names of a command line in the `meta` of its context."""


class RuleName(click.ParamType):
    """The name of a rule; the shell completes those of builtins."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, and remember it for the messages of errors."""
        if ctx is not None:
            ctx.meta.setdefault(NAMED, []).append(value)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the builtins whose names begin like the last member of what is typed."""
        before, join, last = incomplete.rpartition(JOIN)
        return [
            CompletionItem(f"{before}{join}{entry['name']}", help=entry["summary"])
            for entry in catalogue()
            if entry["name"].startswith(last)
        ]


def check_names(*names: str) -> None:
    """Raise if a name is neither that of a builtin nor written as that of a rule elsewhere.

    This needs no SymPy, so a mistake is found at once.

    Raises:
        UnknownNameError: there is no such builtin; the message has the nearest names.
    """
    for name in names:
        if not is_builtin(name) and not _is_elsewhere(name):
            unknown = [part for part in name.split(JOIN) if part not in builtin_names()]
            for part in unknown:
                if not _is_elsewhere(part):
                    raise UnknownNameError(_unknown(part))


def is_builtin(name: str) -> bool:
    """Return whether a name consists of builtins alone, so that it means the same everywhere."""
    return set(name.split(JOIN)) <= set(builtin_names())


def _is_elsewhere(name: str) -> bool:
    return ":" in name or name.endswith(".py")


def _unknown(name: str) -> str:
    hint = suggestion(name, builtin_names())
    text = f"There is no builtin {name!r}"
    if Path(f"{name}.py").exists():
        return f"{text}; for the file write {name}.py."
    return f"{text}; {hint or 'learnerdsl list shows all, FILE.py:rule names one of your own.'}"


def find(name: str) -> Any:
    """Import what a name means: a rule, a transform, or a chain.

    Raises:
        LearnerError: there is no such thing, or it cannot be imported.
    """
    check_names(name)
    return importlib.import_module("learnerdsl.command.finding").found(name)


def find_rule(name: str) -> Any:
    """Import a rule; a transform becomes its chain with `sgd`."""
    return importlib.import_module("learnerdsl.command.entries").as_rule(find(name))


def settings(pairs: Iterable[str], example: str) -> dict[str, Any]:
    """Return the values that were given as NAME=VALUE.

    Args:
        pairs: what was given; a value is read as Python if it is a literal, else as text.
        example: how to write one, for the message.

    Raises:
        HyperparameterError: a pair has no equals sign, or no name before it.
    """
    found = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            msg = f"{pair!r} is not of the form NAME=VALUE; write for example {example}."
            raise HyperparameterError(msg)
        found[name] = literal(text)
    return found


def literal(text: str) -> Any:
    """Return the Python literal that a text is, or the text."""
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        return text


def state_types(text: str | None) -> str | Mapping[str, str] | None:
    """Return number types of states: one for all, or `m=int8,v=uint8`."""
    if text is None or "=" not in text:
        return text
    return {name: str(v) for name, v in settings(text.split(","), "m=int8,v=uint8").items()}
