"""Define `learnerdsl cache`: where compiled code is kept, how much of it, and how to remove it."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from learnerdsl.cards import counted
from learnerdsl.command.output import print_json, print_table, results
from learnerdsl.kernels import places

_HASH = r"[0-9a-f]{16}"
KINDS = {
    "generated source": rf".+-{_HASH}\.py",
    "machine code": rf".+-{_HASH}\..+\.nbc",
    "listings": rf".+-{_HASH}\..+\.listing",
    "code for GPUs": rf".+-{_HASH}\.sm_\w+\.(ptx|cubin)",
    "shown by this command": rf"shown-{_HASH}\.json",
    "left by killed processes": rf".+\.{_HASH}\.tmp",
}
"""Kind of a file -> what its whole name looks like; all have a hash of 64 bits."""


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove all files that learnerdsl has written there.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(clear: bool, as_json: bool) -> None:
    """Show where compiled code is kept, and how much of it; rules compile again without it."""
    place = places.directory()
    found = list(_ours(place)) if place is not None else []
    counts = Counter(kind for kind, _ in found)
    sizes: Counter[str] = Counter()
    for kind, path in found:
        sizes[kind] += _size(path)
    removed = [path for _, path in found if clear and _remove(path)]
    if as_json:
        kinds = {kind: {"files": n, "bytes": sizes[kind]} for kind, n in counts.items()}
        print_json({"directory": str(place or ""), "kinds": kinds, "removed": len(removed)})
        return
    console = results()
    console.print(str(place or "There is no directory that can be written."), soft_wrap=True)
    rows = [(kind, str(counts[kind]), _readable(sizes[kind])) for kind in KINDS if counts[kind]]
    rows.append(("together", str(counts.total()), _readable(sizes.total())))
    print_table(("kind", "files", "size"), rows, right=(1, 2))
    if clear:
        console.print(f"removed {counted(len(removed), 'file')}")


def _ours(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files in a directory that have a name as ours have, with their kind."""
    for path in sorted(place.iterdir()):
        for kind, pattern in KINDS.items():
            if re.fullmatch(pattern, path.name) and path.is_file() and not path.is_symlink():
                yield kind, path
                break


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):  # another process may remove it
        return path.stat().st_size
    return 0


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _readable(size: int) -> str:
    """Return a number of bytes with a unit."""
    for unit, factor in (("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
