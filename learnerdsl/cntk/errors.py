"""Errors of the front end with a class that CNTK's users know and the core has no use for."""

from learnerdsl.errors import FileError as FileError
from learnerdsl.errors import LearnerError
from learnerdsl.errors import MissingFileError as MissingFileError


class ConstructionError(LearnerError, RuntimeError):
    """A learner or schedule with arguments that CNTK refuses with a RuntimeError."""


class GradientError(LearnerError, RuntimeError):
    """Gradients that CNTK refuses with a RuntimeError: missing, or of another dtype."""


class GraphError(LearnerError, RuntimeError):
    """An update function that cannot be turned into a rule; the message names the node."""


class CountError(LearnerError, OverflowError):
    """A number of samples below 0."""


class CountTypeError(LearnerError, TypeError):
    """A number of samples that is not a Python int."""


class MissingMethodError(LearnerError, NotImplementedError):
    """A class that lacks a method which its users have to write."""
