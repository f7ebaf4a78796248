"""Keep what a command prints of builtins in the cache directory, as making it takes SymPy.

SymPy alone takes a quarter of a second to import, and a card half a second to make. A text that
was kept is printed after a tenth of a second. Its key has the size and time of every file of the
package and of SymPy's version, so a changed package makes its texts again.
"""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from learnerdsl.kernels import places

PREFIX = "shown-"
"""Beginning of the names of the files."""

_PACKAGE = Path(__file__).parents[1]


def kept(what: str, arguments: dict[str, Any], make: Callable[[], str]) -> str:
    """Return the text that `make` returns, from the cache directory if it is there.

    Args:
        what: the kind of text.
        arguments: everything else that the text depends on, as JSON can write it.
        make: makes the text.
    """
    described = json.dumps([what, arguments, _files()], sort_keys=True)
    key = hashlib.sha256(described.encode()).hexdigest()
    name = f"{PREFIX}{key[:16]}.json"
    found = places.kept_checked(name, key)
    if found is not None:
        return found.decode()
    text = make()
    places.keep_checked(name, key, text.encode())
    return text


@lru_cache(maxsize=1)
def _files() -> list[Any]:
    """Return names, sizes and times of the files that texts are made by."""
    paths = sorted(path for kind in ("*.py", "*.json") for path in _PACKAGE.rglob(kind))
    return [sys.version, *(_status(path) for path in (*paths, *_of_sympy()))]


def _of_sympy() -> Iterator[Path]:
    spec = importlib.util.find_spec("sympy")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).with_name("release.py")


def _status(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:  # in an archive, or removed since
        return str(path), 0, 0
    return str(path), status.st_size, status.st_mtime_ns
