"""Define `learnerdsl list`: the builtins in a table, with filters by what one needs."""

from collections.abc import Callable
from typing import Any

import click

from learnerdsl.command.catalogue import catalogue
from learnerdsl.command.choices import OneOf
from learnerdsl.command.families import FAMILIES
from learnerdsl.command.output import complaints, print_json, print_table, results
from learnerdsl.errors import suggestion

HEAD = ("name", "year", "states", "bytes", "traffic", "passes", "extras", "what it is")
NUMBERS = (3, 4, 5)
"""Columns with numbers."""

WIDE = 100
"""Width of a terminal, in characters, from which on there is room for all columns."""

ORDERS = {
    "name": lambda entry: entry["name"],
    "memory": lambda entry: (entry["state_bytes"], sum(entry["other_state_bytes"].values())),
    "traffic": lambda entry: (entry["traffic"], entry["passes"]),
    "year": lambda entry: entry["year"],
}
"""Name of an order -> what it sorts by."""


@click.command("list")
@click.argument("text", nargs=-1)
@click.option("--states", type=click.IntRange(0), help="At most so many states per element.")
@click.option(
    "--memory",
    type=float,
    help="At most so many bytes of states per element of a large matrix.",
)
@click.option("--passes", type=click.IntRange(1), help="At most so many passes over memory.")
@click.option("--extras/--no-extras", default=None, help="With, or without, inputs such as a loss.")
@click.option("--matrix/--no-matrix", default=None, help="With, or without, products of matrices.")
@click.option("--family", type=OneOf(list(FAMILIES)), help="Rules around one idea.")
@click.option("--transforms", is_flag=True, help="List what composes with rules instead.")
@click.option("--sort", type=OneOf(list(ORDERS)), default="name", help="Default: name.")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known, as JSON.")
def command(
    text: tuple[str, ...], transforms: bool, sort: str, as_json: bool, **needs: Any
) -> None:
    """List the builtin learners, or those that have all of TEXT in name, summary or paper.

    Bytes are per element of float32 matrices: of the states, and of the traffic of an update. What
    has a value per row, column or tensor follows after a plus. Transforms are described with sgd.
    The exit code is 1 if there is none, as that of grep.
    """
    kind = "transform" if transforms else "learner"
    tests = _tests(**needs)
    found = [
        entry
        for entry in sorted(catalogue(), key=ORDERS[sort])
        if entry["kind"] == kind
        and all(word.lower() in _searched(entry) for word in text)
        and all(test(entry) for test in tests)
    ]
    if as_json:
        print_json(found)
    elif found:
        _print(found, kind)
    if not found:
        complaints().print(_hint(text, kind), soft_wrap=True)
        raise SystemExit(1)


def _hint(text: tuple[str, ...], kind: str) -> str:
    """Return why nothing was found, and what one may have meant."""
    for word in text:
        if not any(word.lower() in _searched(entry) for entry in catalogue()):
            near = suggestion(word, [entry["name"] for entry in catalogue()])
            what = f"Nothing has {word!r} in name, summary, paper or family"
            return f"{what}; {near}" if near else f"{what}."
    others = [
        entry["name"]
        for entry in catalogue()
        if entry["kind"] != kind and all(word.lower() in _searched(entry) for word in text)
    ]
    if text and others and kind == "learner":
        return f"No learner fits; --transforms lists {', '.join(others)}."
    return f"No {kind} fits all of this; leave something out."


def _print(found: list[dict[str, Any]], kind: str) -> None:
    """Print the table of what was found."""
    console = results()
    is_narrow = console.is_terminal and console.width < WIDE
    shown = [0, 3, 5, 7] if is_narrow else list(range(len(HEAD)))
    right = [place for place, column in enumerate(shown) if column in NUMBERS]
    rows = [[_row(entry)[column] for column in shown] for entry in found]
    print_table([HEAD[column] for column in shown], rows, right)
    console.print(f"{len(found)} of {sum(e['kind'] == kind for e in catalogue())} {kind}s")


def _tests(
    states: int | None,
    memory: float | None,
    passes: int | None,
    extras: bool | None,
    matrix: bool | None,
    family: str | None,
) -> list[Callable[[dict[str, Any]], bool]]:
    """Return the tests that an entry has to pass."""
    found: list[Callable[[dict[str, Any]], bool]] = []
    if states is not None:
        found.append(lambda entry: entry["state_bytes"] <= 4 * states)
    if memory is not None:
        found.append(lambda entry: _bytes_of_a_matrix(entry) <= memory)
    if passes is not None:
        found.append(lambda entry: entry["passes"] <= passes)
    if extras is not None:
        found.append(lambda entry: bool(entry["extras"]) == extras)
    if matrix is not None:
        found.append(lambda entry: entry["uses_matrices"] == matrix)
    if family is not None:
        found.append(lambda entry: entry["family"] == family)
    return found


_SIDE = 1024
_VALUES = {"row": _SIDE, "column": _SIDE, "rows x rows": _SIDE**2, "cols x cols": _SIDE**2}
"""What a state may have a value for -> how many a matrix of 1,024 x 1,024 has; others have one."""


def _bytes_of_a_matrix(entry: dict[str, Any]) -> float:
    """Return the bytes of all states for each element of a matrix of 1,024 x 1,024, in tenths."""
    others = sum(n * _VALUES.get(what, 1) for what, n in entry["other_state_bytes"].items())
    return round(entry["state_bytes"] + others / _SIDE**2, 1)


def _searched(entry: dict[str, Any]) -> str:
    return " ".join((entry["name"], entry["summary"], entry["paper"], entry["family"])).lower()


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    others = [f"{n}/{what}" for what, n in entry["other_state_bytes"].items()]
    return (
        entry["name"],
        entry["year"],
        " ".join(entry["states"]) or "-",
        " ".join([f"{entry['state_bytes']:g}", *(f"+{other}" for other in others)]),
        f"{entry['traffic']:g}",
        str(entry["passes"]),
        " ".join(entry["extras"]) or "-",
        entry["summary"].replace("$", ""),
    )
