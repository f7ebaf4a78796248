"""Define the command `learnerdsl`, whose subcommands are imported when they are used."""

import importlib
from typing import Any

import click
from rich.text import Text

from learnerdsl import __version__
from learnerdsl.command.names import NAMED
from learnerdsl.command.output import complaints
from learnerdsl.command.wording import typed
from learnerdsl.errors import LearnerError, in_a_sentence, suggestion

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
        except Exception as error:
            if not isinstance(error, LearnerError) and not hasattr(error, "place"):
                raise  # it comes from none of the user's rules
            message = typed(in_a_sentence(error), ctx.meta.get(NAMED, ()))
            complaints().print(Text(f"Error: {message}", style="red"), soft_wrap=True)
            ctx.exit(1)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the subcommand that is named; ask for a near one if there is none."""
        hint = suggestion(args[0], SUBCOMMANDS) if args else ""
        if hint and args[0] not in SUBCOMMANDS:
            msg = f"There is no command {args[0]!r}; {hint}"
            raise click.UsageError(msg, ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Subcommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def learnerdsl() -> None:
    """Show optimizers as mathematics, loops and costs; compare them, time them, take them away.

    NAME is a builtin such as adamw, a rule of your own as FILE.py:rule or package.module:rule, or
    several joined by "+", such as clip_by_global_norm+adamw.
    """
