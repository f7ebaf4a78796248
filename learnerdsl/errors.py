"""Define the exceptions: a LearnerError is caused by the user, an InternalError is our bug."""

import difflib
import pickle
from collections.abc import Iterable
from typing import Any

_SHOWN = 200
"""Characters of a value that an error message shows."""


class LearnerError(Exception):
    """Base of every error that a user of learnerdsl can cause.

    Attributes:
        place: the line of a rule's code that caused it, as `FILE:LINE`; "" if that is not known.
    """

    place: str = ""


class RuleError(LearnerError, ValueError):
    """An update rule without a meaning: a cycle, a foreign symbol, a missing assign."""


class ArrayError(LearnerError, ValueError):
    """A parameter or gradient array of the wrong shape, layout or place in memory."""


class DtypeError(LearnerError, TypeError):
    """A parameter or gradient array of a number type that cannot be used."""


class HyperparameterError(LearnerError, ValueError):
    """A hyperparameter, option or argument with a value that it cannot take."""


class OperandError(HyperparameterError, TypeError):
    """An operand that a schedule cannot be combined with by arithmetic."""


class UnknownNameError(LearnerError, KeyError):
    """A name that the rule or the learner does not have."""

    def __str__(self) -> str:
        """Return the message as it was written; KeyError would print its repr."""
        return str(self.args[0]) if self.args else ""


class UnknownAttributeError(UnknownNameError, AttributeError):
    """An attribute that the learner does not have; setting it would have no effect."""


class NoGroupError(HyperparameterError, IndexError):
    """A group of parameters that the learner does not have."""


class CheckpointError(LearnerError, ValueError):
    """A state dict or file that is damaged or belongs to another rule or model."""


class FileError(CheckpointError, OSError):
    """A file that cannot be read or written, or a path that is not that of a file."""


class MissingFileError(FileError, FileNotFoundError):
    """A file that does not exist, or a directory to write it to that does not exist."""


class NonFiniteError(LearnerError, ValueError):
    """A gradient with NaN or infinity, for a learner with `nonfinite="raise"`."""


class PicklingError(LearnerError, pickle.PicklingError):
    """A rule or transform that another process cannot find by its name."""


class InternalError(RuntimeError):
    """A bug in learnerdsl; please report it."""


def in_a_sentence(error: BaseException) -> str:
    """Return what an error says, with its place; one that is not of this package gets its name."""
    if isinstance(error, LearnerError):
        return str(error)
    place = getattr(error, "place", "")
    return f"{type(error).__name__}: {error}.{f' See {place}.' if place else ''}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a question with the nearest known names; "" if none is near."""
    known = list(known)
    near = [one for one in known if sorted(one) == sorted(name)]  # letters in another order
    near += [one for one in difflib.get_close_matches(name, known, 3, 0.6) if one not in near]
    near = near[:3]
    return f"did you mean {' or '.join(near)}?" if near else ""


def quoted(value: Any) -> str:
    """Return the text of a value for an error message, shortened if it is long."""
    try:
        text = repr(value)
    except Exception:  # repr failed: a user's object, or an int with too many digits to print
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
