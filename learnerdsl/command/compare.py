"""Define `learnerdsl compare`: two rules side by side."""

import importlib
from typing import Any

import click

from learnerdsl.command.choices import NAME, compiled_with, precision_options
from learnerdsl.command.kept import kept
from learnerdsl.command.names import check_names, is_builtin
from learnerdsl.command.output import packed, print_json, print_sections, unpacked


@click.command("compare")
@click.argument("first", metavar="A", type=NAME)
@click.argument("second", metavar="B", type=NAME)
@precision_options
@click.option("--json", "as_json", is_flag=True, help="Print the entries of both, as JSON.")
def command(first: str, second: str, as_json: bool, **choices: Any) -> None:
    """Compare the rules A and B: what they need, their mathematics, and their loops."""
    check_names(first, second)
    arguments = compiled_with(**choices)
    work = importlib.import_module
    if as_json:
        views = work("learnerdsl.command.views")
        print_json([views.described(name) for name in (first, second)])
        return

    def make() -> str:
        differences = work("learnerdsl.command.differences")
        return packed(differences.sections(first, second, arguments))

    what = {"first": first, "second": second, **arguments}
    is_kept = is_builtin(first) and is_builtin(second)
    print_sections(unpacked(kept("compare", what, make) if is_kept else make()))
