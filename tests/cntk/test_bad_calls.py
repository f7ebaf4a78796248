"""Calls that cannot be: each is a LearnerError with a sentence, and changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import learnerdsl as ld
import learnerdsl.cntk as C

CALLS = [
    line
    for line in (Path(__file__).parent / "data" / "bad_calls.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


class World:
    """A model, its loss, a learner and a trainer that have done some work."""

    def __init__(self, folder):
        x, y = C.input_variable(2), C.input_variable(3)
        self.w = C.parameter((2, 3), init=1, name="w")
        self.model = C.times(x, self.w)
        loss = C.squared_error(self.model, y)
        self.learner = C.momentum_sgd([self.w], 0.1, 0.9)
        gradients = {self.w: np.ones((2, 3), np.float32)}
        self.learner.update(gradients, 1)
        self.trainer = C.Trainer(self.model, loss, self.learner)
        self.trainer.save_checkpoint(folder / "tt")
        self.model.save(folder / "zz")
        self.names = {"C": C, "np": np, "ld": ld, "scipy": scipy, "WORK": str(folder)}
        self.names |= {"nan": float("nan"), "inf": float("inf")}
        self.names |= {"x": x, "y": y, "w": self.w, "z": self.model, "loss": loss}
        self.names |= {"V": self.learner, "GV": gradients, "T": self.trainer}
        self.names |= {"X": np.ones((4, 2), np.float32), "Y": np.ones((4, 3), np.float32)}

    def state(self):
        """All that a refused call must leave as it is."""
        names = sorted(path.name for path in Path(self.names["WORK"]).iterdir())
        counts = self.trainer.total_number_of_samples_seen, self.learner.minibatch_size
        return repr((self.w.value, self.learner.create_checkpoint(), counts, names))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("call", CALLS)
def test_a_bad_call_is_refused_with_a_sentence_and_changes_nothing(world, call):
    before = world.state()
    names = {**world.names, "D": world.learner.create_checkpoint()}
    with pytest.raises(ld.LearnerError) as caught:
        exec(call, names)
    assert len(str(caught.value).split()) >= 4
    assert world.state() == before


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("C.rmsprop([w], 0.1, 'a', 1.2, 0.5, 10, 0.1)", RuntimeError),
        ("C.adam([w], 0.1, 0.9, epsilon=None)", ValueError),
        ("C.learning_parameter_schedule(0.1)[-1]", OverflowError),
        ("C.learning_parameter_schedule(0.1)['a']", TypeError),
        ("V.update(GV, 10**400)", OverflowError),
        ("C.UserLearner([w], C.learning_parameter_schedule(1)).update(GV, 1)", NotImplementedError),
        ("C.load_model(WORK + '/nothing')", FileNotFoundError),
        ("T.restore_from_checkpoint(WORK + '/nothing')", FileNotFoundError),
        ("z.save('/nonexistent/x')", OSError),
    ],
)
def test_errors_are_those_that_users_of_cntk_or_python_expect_too(world, call, error):
    with pytest.raises(error) as caught:
        eval(call, world.names)
    assert isinstance(caught.value, ld.LearnerError)


@pytest.mark.parametrize(
    "call",
    [
        "C.sgd([w], 0.1, l1_regularization_weight=-1, l2_regularization_weight=-1)",
        "C.sgd([w], 0.1, gaussian_noise_injection_std_dev=-1)",
        "C.sgd([w], -0.1, gradient_clipping_threshold_per_sample=0)",
        "C.sgd([w], np.float64(0.1), minibatch_size=np.int64(4))",
        "C.momentum_sgd([w], 0.1, 1.5, unit_gain=np.bool_(True))",
        "C.momentum_sgd([w], 0.1, C.momentum_as_time_constant_schedule(float('inf')))",
        "C.rmsprop([w], 0.1, 0.9, 1.2, 0.5, float('inf'), 1e-30)",
        "C.adadelta([w], rho=0, epsilon=0)",
        "C.adadelta([w], rho=1)",
        "C.constant(shape=3)",
        "C.parameter()",
        "C.constant(10**30)",
        "C.layers.Dense(2, activation=None)(x)",
        "C.combine(z, [loss])",
        "z.eval(X, outputs=z)",
        "loss.train((X.tolist(), Y), parameter_learners=C.sgd([w], 0), epoch_size=0)",
        "loss.train((X, Y), parameter_learners=C.sgd([w], 0), max_epochs=0)",
        "loss.test((scipy.sparse.coo_matrix(X), Y))",
    ],
)
def test_what_cntk_takes_is_still_taken(world, call):
    eval(call, world.names)


def test_a_layer_whose_call_was_refused_is_as_before():
    dense = C.layers.Dense(2)
    model = C.layers.Sequential([dense, C.layers.Dense(3, activation=lambda node: None)])
    with pytest.raises(ld.LearnerError, match="not a node"):
        model(C.input_variable(4))
    assert dense(C.input_variable(5)).shape == (2,)


def test_no_learner_of_a_trainer_moves_if_one_cannot():
    x, y = C.input_variable(2), C.input_variable(1)
    w, b = C.parameter((2, 1)), C.parameter(1)
    loss = C.squared_error(C.times(x, w) + b, y)
    stuck = C.momentum_sgd([b], 0.1, C.momentum_schedule_per_sample(-0.5))
    trainer = C.Trainer(None, loss, [C.sgd([w], 0.1), stuck])
    with pytest.raises(ld.LearnerError, match="negative momentum"):
        trainer.train_minibatch({x: np.ones((3, 2)), y: np.ones((3, 1))})
    assert not w.value.any()
    assert trainer.parameter_learners[0].total_number_of_samples_seen() == 0


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_is_the_gradient_of_a_vector_as_an_array_is():
    w = C.parameter(3, init=1)
    assert C.sgd([w], 0.5).update({w: np.asmatrix(np.array([1, 0, 2], np.float32))}, 1)
    assert w.value.tolist() == [0.5, 1.0, 0.0]


def test_a_sparse_gradient_with_an_axis_of_length_1_before_it_is_that_of_a_vector():
    w = C.parameter(3, init=1)
    gradient = scipy.sparse.csr_matrix(np.array([[1, 0, 2]], np.float32))
    assert C.sgd([w], 0.5).update({w: gradient}, 1)
    assert w.value.tolist() == [0.5, 1.0, 0.0]
