"""Define `learnerdsl bench`: updates of rules timed beside torch and optax."""

import importlib
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from learnerdsl.command.choices import NAME, OneOf, sizes
from learnerdsl.command.names import check_names
from learnerdsl.command.output import complaints, print_json, print_table, results

SIZES = "1000,100000,1000000,10000000"


@click.command("bench")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", type=NAME)
@click.option("--sizes", "counts", default=SIZES, help=f"Elements of a tensor; {SIZES}.")
@click.option("--rounds", type=click.IntRange(1), default=9, help="Turns of each; 9.")
@click.option("--dtype", type=OneOf(["float32", "float64"]), default="float32")
@click.option("--json", "as_json", is_flag=True, help="Print the times of every round, as JSON.")
def command(names: tuple[str, ...], counts: str, rounds: int, dtype: str, as_json: bool) -> None:
    """Time updates of the rules NAME..., and of the same rules in torch and optax if installed.

    All take turns, so that a change of the machine's speed meets them alike. A ratio is the median
    of the ratios to the first rule within one round: above 1, the first rule is faster.
    """
    check_names(*names)
    elements = sizes(counts)
    timing = importlib.import_module("learnerdsl.command.timing")
    peers = timing.peers_of(names)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=complaints(), transient=True) as progress:
        task = progress.add_task("", total=len(elements) * (rounds + 1))

        def step(size: int) -> None:
            progress.update(task, advance=1, description=f"{size:,} elements")

        found = [timing.measure(peers, size, dtype, rounds, step) for size in elements]
    if as_json:
        print_json([timing.described(one) for one in found])
        return
    rows = [row for one in found for row in _rows(one)]
    print_table(("elements", "who", "median", "ratio"), rows, right=(0, 2, 3))
    results().print(f"{dtype}, {timing.machine()}, {rounds} rounds")


def _rows(found: Any) -> list[tuple[str, ...]]:
    """Return a row for each peer, the first of which is the reference of the ratios."""
    rows = []
    for peer in found.seconds:
        size = f"{found.size:,}" if peer == found.first else ""
        rows.append((size, peer, _time(found.median(peer)), f"{found.ratio(peer):.2f}"))
    return rows


def _time(seconds: float) -> str:
    """Return a time with a unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"
