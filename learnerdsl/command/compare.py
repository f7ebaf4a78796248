"""Define `learnerdsl compare`: rules side by side."""

import importlib
import json
from typing import Any

import click

from learnerdsl.cards.comparisons import comparison
from learnerdsl.command.choices import NAME, compiled_with, precision_options
from learnerdsl.command.kept import kept
from learnerdsl.command.names import check_names, find_rule, is_builtin
from learnerdsl.command.output import print_json
from learnerdsl.command.side_by_side import print_comparison


@click.command("compare")
@click.argument("names", nargs=-1, required=True, metavar="A B...", type=NAME)
@precision_options
@click.option("--json", "as_json", is_flag=True, help="Print the lines of all sections, as JSON.")
def command(names: tuple[str, ...], as_json: bool, **choices: Any) -> None:
    """Compare the rules A, B and more: mathematics, arguments, states, costs and loops.

    Lines that differ are marked. An option of -o is for the rules that have it.
    """
    if len(names) < 2:
        other = "adamw" if "adam" in names else "adam"
        msg = f"give two rules or more: learnerdsl compare {' '.join(names)} {other}"
        raise click.UsageError(msg)
    check_names(*names)
    arguments = compiled_with(**choices)

    def make() -> str:
        rules = [find_rule(name) for name in names]
        compare = importlib.import_module("learnerdsl.define").compare
        return json.dumps(compare(*rules, **arguments).described())

    what = {"names": names, **arguments}
    described = json.loads(kept("compare", what, make) if all(map(is_builtin, names)) else make())
    if as_json:
        print_json(described)
    else:
        print_comparison(comparison(described))
