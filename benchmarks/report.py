"""Prints what was measured: a table for each case, a summary to paste, and met expectations.

A ratio is always the time of a peer divided by ours, so more than 1 means that ours is faster; for
the traffic-only kernels it is the fraction of their speed that ours reaches. It is the median of
the ratios of the single rounds, and need not equal the quotient of two printed times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import startup
from benchmarks.cases import Case
from benchmarks.timing import Timings

Results = Sequence[tuple[Case, Timings]]


@dataclass(frozen=True)
class Outcome:
    """A measured number beside the expected one.

    Attributes:
        what: what was compared.
        measured: the number.
        expected: what was expected, in words.
        is_met: whether the number is as expected.
    """

    what: str
    measured: str
    expected: str
    is_met: bool


def duration(seconds: float) -> str:
    """A time with three digits."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def number(ratio: float) -> str:
    """A ratio with two decimals, or without if it is large."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def print_case(case: Case, timings: Timings) -> None:
    """Print a row for each peer.

    Columns: median time of an update; ratio; the range in which the ratios of the middle half of
    the rounds lie; and the rounds in which the peer's threads had to wait for a core, whose times
    say little.
    """
    ours = case.peers[0].name
    print(f"\n{case.describe()}")
    print(f"{'':34}{'an update':>10}{'peer / ours':>13}{'middle half':>20}{'disturbed':>11}")
    for name in timings.seconds:
        ratios = timings.ratios(name, ours)
        quarter = len(ratios) // 4
        middle = f"{number(ratios[quarter])} .. {number(ratios[-1 - quarter])}"
        rounds = f"{timings.disturbed[name]} of {len(ratios)}"
        print(
            f"  {name:32}{duration(timings.typical(name)):>10}"
            f"{number(timings.ratio(name, ours)):>13}{middle:>20}{rounds:>11}"
        )


def print_startup(seconds: Mapping[str, float]) -> None:
    """Print the times from process start to first update."""
    print("\nstartup (seconds from process start to the end of the first update, medians)")
    for name, value in seconds.items():
        print(f"  {name:46}{value:>6.2f}")


def print_summary(results: Results) -> None:
    """Print the ratios of all cases as Markdown, one table for the cases with the same rivals."""
    groups: dict[str, list[tuple[Case, Timings]]] = {}
    for case, timings in results:
        groups.setdefault(case.peers[1].name, []).append((case, timings))
    print("\nSummary: time of ours, then the times of the others divided by it")
    for group in groups.values():
        columns = list(dict.fromkeys(name for _, timings in group for name in timings.seconds))
        ours = columns[0]
        print(f"\n| case | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
        for case, timings in group:
            cells = [
                number(timings.ratio(name, ours)) if name in timings.seconds else "-"
                for name in columns[1:]
            ]
            print(f"| {case.name} | {duration(timings.typical(ours))} | {' | '.join(cells)} |")


def compare(case: Case, timings: Timings) -> list[Outcome]:
    """Hold the measured ratios against the expected ones; peers left out are passed over."""
    ours = case.peers[0].name
    outcomes = []
    for name, least in case.expected.items():
        if name in timings.seconds:
            ratio = timings.ratio(name, ours)
            expected = f"at least {least:g}"
            if timings.is_disturbed(name, ours):
                expected += "; disturbed, so measure again"
            what = f"{case.name}, {name} / ours"
            outcomes.append(Outcome(what, number(ratio), expected, ratio >= least))
    return outcomes


def compare_startup(seconds: Mapping[str, float]) -> list[Outcome]:
    """Hold the measured seconds against the expected ones."""
    return [
        Outcome(name, f"{seconds[name]:.2f} s", f"at most {most:g} s", seconds[name] <= most)
        for name, most in startup.EXPECTED.items()
    ]


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print which expectations were met; a reader judges them, the exit status does not."""
    print("\nExpectations")
    for outcome in outcomes:
        verdict = "met" if outcome.is_met else "NOT met"
        print(f"  {verdict:9}{outcome.what:42}{outcome.measured:>8}  ({outcome.expected})")
    if not outcomes:
        print("  none for these cases")
