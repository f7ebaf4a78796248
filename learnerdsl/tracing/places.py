"""Find the line of a rule's own code that an error or an assignment comes from."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import mpmath
import numpy as np
import sympy

from learnerdsl.errors import LearnerError

# Rules of this package are not among the user's code: their refusals say all that there is to say.
_OTHERS = tuple(
    str(folder)
    for folder in (
        Path(__file__).parents[1],
        *(Path(str(library.__file__)).parent for library in (mpmath, np, sympy)),
    )
)


def place_of(code: CodeType | None) -> str:
    """Return where a function begins, as `FILE:LINE`; "" if that is not the user's code."""
    return "" if code is None else _place(code.co_filename, code.co_firstlineno)


def place_of_error(error: BaseException) -> str:
    """Return the innermost line of the user's code that an error went through; "" if none."""
    found, traceback = "", error.__traceback__
    while traceback is not None:
        found = _place(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno) or found
        traceback = traceback.tb_next
    return found


def place_of_caller() -> str:
    """Return the line of the user's code that is running; "" if none is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        place = _place(frame.f_code.co_filename, frame.f_lineno)
        if place:
            return place
        frame = frame.f_back
    return ""


def _place(file: str, line: int) -> str:
    # What was typed into a prompt is in no file that one could open.
    is_others = file.startswith(("<", *_OTHERS))
    return "" if is_others else f"{file}:{line}"


def locate(error: LearnerError, place: str) -> None:
    """Add a place to the message of an error that has none."""
    if place and not error.place:
        error.place = place
        error.args = (f"{error} See {place}.",)


def locate_other(error: Exception) -> None:
    """Set the place of an error of Python, such as a name that does not exist, as an attribute."""
    vars(error)["place"] = place_of_error(error)


@contextmanager
def located(place: str) -> Iterator[None]:
    """Add a place to the errors of what is done within."""
    try:
        yield
    except LearnerError as error:
        locate(error, place)
        raise


def code_of(function: Any) -> CodeType | None:
    """Return the code of a function that may be decorated or partly applied."""
    while function is not None and not hasattr(function, "__code__"):
        function = getattr(function, "__wrapped__", getattr(function, "func", None))
    return getattr(function, "__code__", None)
