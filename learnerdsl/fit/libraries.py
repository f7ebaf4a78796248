"""Import libraries that only some functions need, and say how to install them."""

import importlib
from typing import Any

from learnerdsl.errors import LearnerError


def library(name: str, purpose: str) -> Any:
    """Return a module; raise a LearnerError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        msg = f"{purpose} needs {package}: {error}; install it with pip install 'learnerdsl[fit]'."
        raise LearnerError(msg) from None


def library_if_there(name: str) -> Any | None:
    """Return a module, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
