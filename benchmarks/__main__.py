"""Measures learnerdsl beside other optimizers and prints tables of ratios; see the README here."""

import argparse
import datetime
import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np

from benchmarks import report, startup
from benchmarks.cases import CASES, Case, run_case
from benchmarks.ceilings import traffic_loop
from benchmarks.timing import Effort

QUICK = Effort(rounds=3, block=0.004, rest=0.01, attempts=1)
STARTUP_REPEATS = 3
LIBRARIES = ("numba", "numpy", "torch", "jax", "optax")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    names = [startup.NAME, *(case.name for case in CASES)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="about a minute: few rounds, no large tensor lists"
    )
    parser.add_argument("--rounds", type=int, help="visits to each peer of a case")
    parser.add_argument(
        "--only",
        action="append",
        choices=names,
        metavar="NAME",
        help=f"a case to run; may be repeated. Names: {', '.join(names)}",
    )
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    return options


def chosen(options: argparse.Namespace) -> set[str]:
    """Names of what is to be run."""
    if options.only:
        return set(options.only)
    return {startup.NAME, *(case.name for case in CASES if case.is_quick or not options.quick)}


def print_machine() -> None:
    """Print what the numbers depend on; Numba knows its kind of threads only when they run."""
    tiny = np.ones(8, np.float32)
    traffic_loop([tiny], [tiny.copy()]).step()
    print(f"{datetime.date.today()}, {processor()}, Python {platform.python_version()}")
    print(", ".join(f"{name} {version_of(name)}" for name in LIBRARIES))
    print(f"{numba.get_num_threads()} threads of Numba ({numba.threading_layer()})")


def processor() -> str:
    """Number and model of the machine's cores, as far as the system tells."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.machine()


def version_of(library: str) -> str:
    """Installed version of a library."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def print_missing(cases: Sequence[Case]) -> None:
    """Print a line for every peer that is left out."""
    missing = {kind.name: kind.missing for case in cases for kind in case.peers if kind.missing}
    for name, modules in missing.items():
        print(f"{name} is left out: {' and '.join(modules)} not installed")


def main() -> None:
    """Run what the command line asks for."""
    options = parse()
    effort = QUICK if options.quick else Effort()
    if options.rounds is not None:
        effort = replace(effort, rounds=options.rounds)
    names = chosen(options)
    cases = [case for case in CASES if case.name in names]
    outcomes: list[report.Outcome] = []
    print_machine()
    print_missing(cases)
    if startup.NAME in names:
        seconds = startup.measure_startup(1 if options.quick else STARTUP_REPEATS)
        report.print_startup(seconds)
        outcomes += report.compare_startup(seconds)
    results = []
    for case in cases:
        timings = run_case(case, effort)
        report.print_case(case, timings)
        outcomes += report.compare(case, timings)
        results.append((case, timings))
    report.print_summary(results)
    report.print_outcomes(outcomes)


if __name__ == "__main__":
    main()
