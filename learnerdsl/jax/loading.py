"""Load generated modules, so that errors and profiles show their lines."""

import itertools
import linecache
from typing import Any

_numbers = itertools.count(1)


def loaded(name: str, source: str) -> dict[str, Any]:
    """Return the names that a module defines.

    Args:
        name: what the module is for.
        source: its text.
    """
    file = f"<{name} for JAX, {next(_numbers)}>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    names: dict[str, Any] = {"__name__": f"learnerdsl.generated.{name}"}
    exec(compile(source, file, "exec"), names)
    return names
