"""Define `learnerdsl plot`: paths of rules on surfaces, their losses, and curves of schedules."""

import importlib
from pathlib import Path
from typing import Any

import click

from learnerdsl.command.choices import NAME, OneOf
from learnerdsl.command.names import check_names
from learnerdsl.command.output import print_json, print_table, results
from learnerdsl.errors import HyperparameterError, LearnerError

PROBLEMS = ("rosenbrock", "valley", "saddle")


@click.command("plot")
@click.argument("names", nargs=-1, metavar="[NAME]...", type=NAME)
@click.option("--problem", "problems", multiple=True, type=OneOf(PROBLEMS), help="Surface.")
@click.option(
    "--schedule", "schedules", multiple=True, metavar="TEXT", help="Such as cosine(1e-3)."
)
@click.option("--steps", type=click.IntRange(2), help="Updates; 200, or those of the schedule.")
@click.option("--lr", type=float, help="Rate of all rules; default: the best of a grid for each.")
@click.option(
    "--output", metavar="FILE", help="Picture to write: .png, .svg, .pdf; learnerdsl.png."
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers, as JSON; draw nothing.")
def command(
    names: tuple[str, ...],
    problems: tuple[str, ...],
    schedules: tuple[str, ...],
    steps: int | None,
    lr: float | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Draw the paths of the rules NAME... on surfaces of two weights, and their losses.

    With --schedule it draws curves of schedules, written as in Python: "cosine(1e-3, steps=1000)".
    Both need matplotlib, unless --json prints the numbers.
    """
    if bool(names) == bool(schedules):
        msg = "give rules or --schedule, one of the two: plot adam lion, plot --schedule TEXT"
        raise click.UsageError(msg)
    check_names(*names)
    if not as_json:
        _check_matplotlib()
    if names:
        paths = importlib.import_module("learnerdsl.command.paths")
        found = [
            paths.followed(n, p, steps or 200, lr) for p in problems or PROBLEMS for n in names
        ]
    else:
        curves = importlib.import_module("learnerdsl.command.curves")
        found = [curves.values(text, steps) for text in schedules]
    if as_json:
        print_json([one.described() for one in found])
        return
    path = Path(output or "learnerdsl.png")
    pictures = importlib.import_module("learnerdsl.command.pictures")
    figure = pictures.of_paths(found) if names else pictures.of_curves(found)
    _save(figure, path)
    if names:
        rows = [(f.problem, f.name, f"{f.lr:g}", f"{f.reached:.3g}") for f in found]
        print_table(("problem", "rule", "lr", "loss at the end"), rows, right=(2, 3))
    results().print(f"wrote {path}", soft_wrap=True)


def _check_matplotlib() -> None:
    try:
        importlib.import_module("matplotlib.figure")
    except ModuleNotFoundError:
        msg = "Pictures need matplotlib: pip install matplotlib; --json prints the numbers."
        raise LearnerError(msg) from None


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path)
    except (ValueError, OSError) as error:
        msg = f"Cannot write the picture {path}: {error}."
        raise HyperparameterError(msg) from None
