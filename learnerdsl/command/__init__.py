"""The command `learnerdsl`: shows, compares, times, draws and starts rules.

Nothing here imports SymPy before it is needed: `program` has the subcommands with their options,
and what they do is in modules that they import when they run.
"""

import importlib
import sys

NEEDED = ("click", "rich")


def main() -> None:
    """Run the command; say what to install where its libraries are missing."""
    try:
        program = importlib.import_module("learnerdsl.command.program")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in NEEDED:
            raise
        sys.exit(f"The command needs {missing}; install it with pip install 'learnerdsl[cli]'.")
    program.learnerdsl(prog_name="learnerdsl")
