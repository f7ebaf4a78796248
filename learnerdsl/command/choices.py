"""Options that several subcommands take: number types, options of a rule, a target."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from learnerdsl.command.names import RuleName, literal, settings, state_types
from learnerdsl.errors import HyperparameterError, suggestion

F = TypeVar("F", bound=Callable[..., Any])

NAME = RuleName()


class OneOf(click.Choice[str]):
    """A choice that asks for the nearest one where something else is written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return what was chosen."""
        hint = "" if value in self.choices else suggestion(str(value), self.choices)
        if hint:
            self.fail(f"{value!r} is none of the choices; {hint}", param, ctx)
        return super().convert(value, param, ctx)


def precision_options(function: F) -> F:
    """Add the options that say how a rule is compiled."""
    for option in (
        click.option("--dtype", default="float32", help="Type of the parameters; float32."),
        click.option("--states", help="Types of the states: bfloat16, or m=int8,v=uint8."),
        click.option("--shape", help="Shape of a parameter, such as 64,32."),
        click.option("-o", "--option", "options", multiple=True, help="NAME=VALUE of the rule."),
    ):
        function = option(function)
    return function


def compiled_with(
    dtype: str, states: str | None, shape: str | None, options: tuple[str, ...]
) -> dict[str, Any]:
    """Return arguments of the methods that show something, such as `rule.plan`."""
    found: dict[str, Any] = {"dtype": dtype, **settings(options, "-o nesterov=true")}
    if states is not None:
        found["states"] = state_types(states)
    if shape is not None:
        found["shape"] = sizes(shape)
    return found


def sizes(text: str) -> tuple[int, ...]:
    """Return the numbers of a text such as 64,32.

    Raises:
        HyperparameterError: it has other parts than whole numbers.
    """
    numbers = tuple(literal(part.strip()) for part in text.split(",") if part.strip())
    if not all(type(number) is int and number > 0 for number in numbers):
        msg = f"A shape consists of whole numbers, got {text!r}; write for example 64,32."
        raise HyperparameterError(msg)
    return numbers
