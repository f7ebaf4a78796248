"""Make the views of a rule that `learnerdsl show` prints."""

from collections.abc import Mapping
from typing import Any

from learnerdsl.command.entries import as_rule, entry
from learnerdsl.command.names import find
from learnerdsl.command.output import Section
from learnerdsl.compose import Transform
from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError


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
    _check_target(view, target, arguments)
    if view == "card":
        return [Section("", str(card(found, rule, arguments)))]
    made = {
        "math": lambda: Section("", rule.pretty(**_traced(arguments))),
        "loop": lambda: Section("", rule.loops(target, **arguments), "python"),
        "source": lambda: Section("", rule.source(target, **arguments), "python"),
        "plan": lambda: Section("", f"{rule.plan(**arguments)}\n{rule.cost(**arguments)}"),
        "asm": lambda: Section("", str(rule.asm(loop=True, **arguments)), "gas"),
        "ptx": lambda: Section("", rule.ptx(**arguments), "ptx"),
    }
    return [made[view]()]


def _check_target(view: str, target: str, arguments: Mapping[str, Any]) -> None:
    """Raise if a view, or a number type, is not there for JAX."""
    if target == "jax" and (view != "source" or "states" in arguments):
        msg = (
            "JAX has no loops or number types of states here, only functions: write "
            "--source --target jax, without --states."
        )
        raise HyperparameterError(msg)


def _traced(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that the mathematics depends on."""
    return {name: v for name, v in arguments.items() if name not in ("dtype", "states")}


def card(found: UpdateRule | Transform, rule: UpdateRule, arguments: Mapping[str, Any]) -> Any:
    """Return the card of a rule as it is compiled, or of a transform, which is not by itself."""
    rule.program(**arguments)  # a card shows a mistake, a command stops at it
    return found.card() if isinstance(found, Transform) else found.card(**arguments)


def described(name: str) -> dict[str, Any]:
    """Return what the table of builtins has of a rule."""
    found = find(name)
    return entry(found)


def page(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the card as a page of HTML."""
    found = find(name)
    return card(found, as_rule(found), arguments).page()
