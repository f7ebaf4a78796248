"""Errors of the front end, whose classes CNTK's users know and the core does not need."""

from learnerdsl.errors import FileError as FileError
from learnerdsl.errors import LearnerError
from learnerdsl.errors import MissingFileError as MissingFileError


class ConstructionError(LearnerError, RuntimeError):
    """A learner or schedule with arguments for which CNTK raises a RuntimeError."""


class GradientError(LearnerError, RuntimeError):
    """Missing gradients or gradients of another dtype, for which CNTK raises a RuntimeError."""


class GraphError(LearnerError, RuntimeError):
    """An update function that cannot be turned into a rule; the message names the node."""


class CountError(LearnerError, OverflowError):
    """A number of samples below 0."""


class CountTypeError(LearnerError, TypeError):
    """A number of samples that is not a Python int."""


class MissingMethodError(LearnerError, NotImplementedError):
    """A class that lacks a method that its users have to write."""
