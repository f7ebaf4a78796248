"""Find the names that the author of a rule gave to expressions: those of Python's variables."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import sympy

_PACKAGE = str(Path(__file__).parent.parent)
_OF_RULES = tuple(
    str(Path(_PACKAGE) / place) for place in ("learners", "transforms", "orthogonal.py")
)
_FOREIGN = str(Path(sympy.__file__).parent)


def local_names(function: Callable[[], Any]) -> dict[Any, str]:
    """Return expression -> name of the first local variable that was bound to it.

    Args:
        function: runs functions that write rules; variables of this package and of SymPy do not
            count.
    """
    found: dict[Any, str] = {}

    def note(frame: FrameType) -> None:
        for name, value in frame.f_locals.items():
            is_value = isinstance(value, sympy.Expr) and value.args
            if is_value and not name.startswith("_"):
                found.setdefault(value, name)

    def follow(frame: FrameType, event: str, argument: Any) -> Any:
        del argument
        if event == "call":
            return follow if _writes_rules(frame.f_code.co_filename) else None
        note(frame)
        return follow

    before = sys.gettrace()
    sys.settrace(follow)
    try:
        function()
    finally:
        sys.settrace(before)
    return found


def _writes_rules(file: str) -> bool:
    """Return whether a file holds functions of rules, not those of this package or of SymPy."""
    if file.startswith(_OF_RULES):
        return True
    return not file.startswith((_PACKAGE, _FOREIGN, "<frozen"))
