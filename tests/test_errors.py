"""The classes of errors: whose mistake each one is, and which builtin error it also is."""

import pytest

import learnerdsl as ld


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ld.RuleError, ValueError),
        (ld.ArrayError, ValueError),
        (ld.DtypeError, TypeError),
        (ld.HyperparameterError, ValueError),
        (ld.OperandError, TypeError),
        (ld.UnknownNameError, KeyError),
        (ld.CheckpointError, ValueError),
        (ld.NonFiniteError, ValueError),
    ],
)
def test_every_error_of_the_user_is_a_learner_error_and_the_usual_builtin_one(error, builtin):
    assert issubclass(error, ld.LearnerError)
    assert issubclass(error, builtin)


def test_an_internal_error_is_not_the_users():
    assert not issubclass(ld.InternalError, ld.LearnerError)


def test_an_unknown_name_error_prints_its_message_without_quotes():
    assert str(ld.UnknownNameError("no 'x' here")) == "no 'x' here"
