"""Define `learnerdsl export`: a rule as a file that needs nothing of ours."""

from pathlib import Path
from typing import Any

import click

from learnerdsl.command.choices import NAME, OneOf, compiled_with
from learnerdsl.command.kept import kept
from learnerdsl.command.names import check_names, find_rule, is_builtin
from learnerdsl.command.output import Section, print_sections, results
from learnerdsl.errors import LearnerError
from learnerdsl.files import replace_file

FORMATS = {
    "numba": "python",
    "numpy": "python",
    "torch": "python",
    "jax": "python",
    "c": "c",
    "latex": "latex",
    "markdown": "markdown",
}
"""Format -> the language that it is written in."""


@click.command("export")
@click.argument("name", type=NAME)
@click.argument("format", type=OneOf(list(FORMATS)))
@click.option("--output", metavar="FILE", help="Where to write it; default: standard output.")
@click.option("--dtype", default="float32", help="Type of the parameters; float32.")
@click.option("--shape", help="Shape of a parameter, such as 64,32.")
@click.option("-o", "--option", "options", multiple=True, help="NAME=VALUE of the rule.")
def command(name: str, format: str, output: str | None, **choices: Any) -> None:
    """Write the rule NAME as one file in FORMAT that does not import learnerdsl."""
    check_names(name)
    chosen = compiled_with(states=None, **choices)

    def make() -> str:
        return exported(find_rule(name), format, chosen)

    what = {"name": name, "format": format, **chosen}
    text = kept("export", what, make) if is_builtin(name) else make()
    if output is None:
        print_sections([Section("", text.rstrip("\n"), FORMATS[format])])
    else:
        replace_file(output, text.encode(), "file")
        results().print(f"wrote {Path(output)}", soft_wrap=True)


def exported(rule: Any, format: str, arguments: dict[str, Any]) -> str:
    """Return a rule in a format.

    Raises:
        LearnerError: this version cannot export, or the rule not to this format.
    """
    if not hasattr(rule, "export"):
        msg = f"This version of learnerdsl cannot export {rule.name}."
        raise LearnerError(msg)
    return str(rule.export(format, **arguments))
