"""What can go wrong: a LearnerError is caused by the user, an InternalError by us."""

import pickle


class LearnerError(Exception):
    """Base of every error that a user of learnerdsl can cause."""


class RuleError(LearnerError, ValueError):
    """An update rule that cannot mean anything: a cycle, a foreign symbol, a missing assign."""


class ArrayError(LearnerError, ValueError):
    """A parameter or gradient array of the wrong shape, layout or place in memory."""


class DtypeError(LearnerError, TypeError):
    """A parameter or gradient array of a number type that cannot be used."""


class HyperparameterError(LearnerError, ValueError):
    """A hyperparameter, option or argument with a value that it cannot take."""


class OperandError(HyperparameterError, TypeError):
    """What a schedule cannot be added to, multiplied by, and so on."""


class UnknownNameError(LearnerError, KeyError):
    """A name that the rule or the learner does not have."""

    def __str__(self) -> str:
        """The message as it was written; KeyError would print its repr."""
        return str(self.args[0]) if self.args else ""


class UnknownAttributeError(UnknownNameError, AttributeError):
    """An attribute that the learner does not have, so that setting it would change nothing."""


class NoGroupError(HyperparameterError, IndexError):
    """A group of parameters that the learner does not have."""


class CheckpointError(LearnerError, ValueError):
    """A state dict or file that is damaged or belongs to another rule or model."""


class FileError(CheckpointError, OSError):
    """A file that cannot be read or written, or something else than a file."""


class MissingFileError(FileError, FileNotFoundError):
    """There is no such file, or no directory to write it to."""


class NonFiniteError(LearnerError, ValueError):
    """A gradient holds NaN or infinity and the learner was told to raise."""


class PicklingError(LearnerError, pickle.PicklingError):
    """A rule or transform that another process could not find by its name."""


class InternalError(RuntimeError):
    """A bug of learnerdsl, never of the user; please report it."""
