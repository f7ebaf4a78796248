"""Define the command `learnerdsl`, whose subcommands are imported when they are used."""

import importlib
from typing import Any

import click
from rich.text import Text

from learnerdsl import __version__
from learnerdsl.command.output import complaints
from learnerdsl.errors import LearnerError

SUBCOMMANDS = {
    "list": "listing",
    "show": "show",
    "compare": "compare",
    "bench": "bench",
    "plot": "plot",
    "export": "export",
    "new": "new",
    "cache": "cache",
}
"""Name of a subcommand -> the module that has it."""


class Subcommands(click.Group):
    """A group whose members are imported when they are used, as Click's documentation advises."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands, in the order of the help."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in SUBCOMMANDS:
            return None
        return importlib.import_module(f"learnerdsl.command.{SUBCOMMANDS[cmd_name]}").command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; print the mistake of a user as one line, and exit with 1."""
        try:
            return super().invoke(ctx)
        except LearnerError as error:
            complaints().print(Text(f"Error: {error}", style="red"), soft_wrap=True)
            ctx.exit(1)


@click.group(cls=Subcommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def learnerdsl() -> None:
    """Show optimizers as mathematics, loops and costs; compare them, time them, take them away.

    NAME is a builtin such as adamw, a rule of your own as FILE.py:rule or package.module:rule, or
    several joined by "+", such as clip_by_global_norm+adamw.
    """
