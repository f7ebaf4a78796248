"""Define `learnerdsl show`: a rule as mathematics, plan, loops and code."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from learnerdsl.command.choices import NAME, compiled_with, precision_options
from learnerdsl.command.kept import kept
from learnerdsl.command.names import check_names, is_builtin
from learnerdsl.command.output import Section, packed, print_json, print_sections, results, unpacked
from learnerdsl.files import replace_file

VIEWS = {
    "math": "The mathematics.",
    "loop": "The loops over memory, as Numba compiles them.",
    "source": "The whole generated module.",
    "plan": "The passes over memory.",
    "asm": "The machine code of the loops; compiles.",
    "ptx": "The PTX for GPUs of NVIDIA.",
}
"""Name of a view -> what it shows; `learnerdsl.command.views` makes them."""

COMPILED = ("asm", "ptx")
"""Views that depend on the machine, so that they are not kept as text."""


def view_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each view."""
    for view, help_text in reversed(VIEWS.items()):
        option = click.option(f"--{view}", "views", flag_value=view, multiple=True, help=help_text)
        function = option(function)
    return function


@click.command("show")
@click.argument("name", type=NAME)
@view_options
@click.option("--html", metavar="FILE", help="Write the card as a page instead.")
@click.option(
    "--target",
    default="cpu",
    help="What loops and source are printed for: cpu, cuda, or jax for the source alone; cpu.",
)
@precision_options
@click.option("--json", "as_json", is_flag=True, help="Print what the table of list has, as JSON.")
def command(
    name: str, views: tuple[str, ...], html: str | None, as_json: bool, target: str, **choices: Any
) -> None:
    """Show the rule NAME: its card, or the views that are asked for."""
    check_names(name)
    arguments = compiled_with(**choices)
    if html is not None:
        page = _views().page(name, arguments)
        replace_file(html, page.encode(), "page")
        results().print(f"wrote {Path(html)}", soft_wrap=True)
    elif as_json:
        print_json(_views().described(name))
    else:
        parts = [sections(name, view, target, arguments) for view in views or ("card",)]
        print_sections([section for part in parts for section in part])


def sections(name: str, view: str, target: str, arguments: dict[str, Any]) -> list[Section]:
    """Return a view of a rule, from the cache directory if it is one of a builtin."""

    def make() -> str:
        return packed(_views().sections(name, view, target, arguments))

    if view in COMPILED or not is_builtin(name):
        return unpacked(make())
    return unpacked(kept(view, {"name": name, "target": target, **arguments}, make))


def _views() -> Any:
    return importlib.import_module("learnerdsl.command.views")
