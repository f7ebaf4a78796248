"""Damaged checkpoints of learners and trainers: refused, and nothing has changed."""

import copy

import numpy as np
import pytest
import scipy.sparse
from support.wrong_values import ARRAYS, WRONG, same, variants

import learnerdsl.cntk as C
from learnerdsl import LearnerError
from learnerdsl import files as core_files
from learnerdsl.cntk import files
from learnerdsl.cntk.checkpoint_file import read_tree, write_tree
from learnerdsl.errors import CheckpointError


def parameters():
    return [C.parameter((3, 2), init=1, name="w"), C.parameter(2, init=0, dtype=np.float64)]


def momentum(parameters, gradients):
    total = C.constant(0, name="total")
    updates = [C.assign(total, total + 1)]
    for p, g in zip(parameters, gradients, strict=True):
        v = C.constant(0, shape=p.shape, dtype=p.dtype)
        updates.append(C.assign(p, p - 0.1 * C.assign(v, 0.5 * v + g)))
    return C.combine(updates)


class Still(C.UserLearner):
    def update(self, gradient_values, training_sample_count, sweep_end):
        return True


RATE = C.learning_rate_schedule([0.5, 0.25], C.UnitType.minibatch, epoch_size=4)
LEARNERS = {
    "momentum_sgd": lambda p: C.momentum_sgd(p, RATE, 0.9, gaussian_noise_injection_std_dev=0.1),
    "fsadagrad": lambda p: C.fsadagrad(p, 0.1, 0.9),
    "adadelta": lambda p: C.adadelta(p),
    "universal": lambda p: C.universal(momentum, p),
    "user": lambda p: Still(p, RATE),
}


def at_work(name):
    """A learner that has done some updates, of sparse gradients too where it can."""
    own = parameters()
    learner = LEARNERS[name](own)
    for step in range(3):
        gradients = {p: np.full(p.shape, 0.5 + step, p.dtype) for p in own}
        if name == "adadelta":
            gradients[own[0]] = scipy.sparse.csr_matrix(gradients[own[0]] * [[1], [0], [1]])
            gradients[own[0]] = gradients[own[0]].astype(np.float32)
        learner.update(gradients, 2, False)
    return learner


@pytest.mark.parametrize("name", LEARNERS)
def test_a_wrong_value_anywhere_in_a_checkpoint_changes_nothing(name):
    learner = at_work(name)
    before = learner.create_checkpoint()
    for what, wrong in variants(before, (*WRONG, *ARRAYS)):
        kept = copy.deepcopy(wrong)
        try:
            learner.restore_from_checkpoint(wrong)
        except CheckpointError as error:
            refusal = str(error)
            is_right = len(refusal.split()) >= 4 and same(learner.create_checkpoint(), before)
        else:
            # Another rate or count is another checkpoint, and is in force now.
            is_right = same(learner.create_checkpoint(), kept)
            learner.restore_from_checkpoint(before)
        assert is_right, what
    assert same(learner.create_checkpoint(), before)
    own = learner.all_parameters
    assert learner.update({p: np.ones(p.shape, p.dtype) for p in own}, 2, False)


@pytest.mark.parametrize("wrong", [None, 3, "a", [], {}, {"version": 1}])
def test_what_is_no_checkpoint_is_refused(wrong):
    with pytest.raises(CheckpointError):
        at_work("momentum_sgd").restore_from_checkpoint(wrong)


@pytest.fixture
def trained(tmp_path):
    """A trainer with two learners that has saved a checkpoint, and where that is."""
    x, y = C.input_variable(3), C.input_variable(2)
    w, b = C.parameter((3, 2), name="w"), C.parameter(2, name="b")
    model = C.times(x, w) + b
    learners = [C.adam([w], 0.1, 0.9), C.momentum_sgd([b], RATE, 0.9)]
    trainer = C.Trainer(model, C.squared_error(model, y), learners)
    data = {x: np.eye(3, dtype=np.float32), y: np.ones((3, 2), np.float32)}
    trainer.train_minibatch(data)
    trainer.save_checkpoint(tmp_path / "saved", {"epoch": 3, "order": np.arange(3)})
    return trainer, data, tmp_path / "saved"


def state(trainer):
    """All that a checkpoint holds."""
    return {
        "samples": trainer.total_number_of_samples_seen,
        "learners": [learner.create_checkpoint() for learner in trainer.parameter_learners],
        "values": [p.value for p in trainer.model.parameters],
    }


def test_a_wrong_value_anywhere_in_the_file_of_a_trainer_changes_nothing(trained):
    trainer, data, path = trained
    tree = read_tree(f"{path}.ckp")
    saved = state(trainer)
    trainer.train_minibatch(data)
    before = state(trainer)
    assert not same(before, saved)
    for what, wrong in variants(tree, (*WRONG, np.zeros(7))):
        write_tree(f"{path}.ckp", wrong)
        try:
            found = trainer.restore_from_checkpoint(path)
        except LearnerError:
            assert same(state(trainer), before), what
            continue
        restored = state(trainer)
        assert same(found, wrong["external_state"]), what
        assert same(restored["values"], saved["values"]), what
        assert same(restored["learners"], wrong["learners"]), what
        assert restored["samples"] == wrong["samples"], what
        write_tree(f"{path}.ckp", tree)
        trainer.restore_from_checkpoint(path)
        trainer.train_minibatch(data)
        assert same(state(trainer), before), what


@pytest.mark.parametrize("suffix", ["", ".ckp"])
def test_flipped_bits_and_short_files_of_a_trainer_change_nothing(trained, suffix):
    trainer, data, path = trained
    trainer.train_minibatch(data)
    before = state(trainer)
    file = path.with_name(path.name + suffix)
    content = file.read_bytes()
    random = np.random.default_rng(7)
    damaged = [content[:size] for size in range(0, len(content), 101)]
    for bit in random.integers(8 * len(content), size=120):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for one in damaged:
        file.write_bytes(one)
        with pytest.raises(LearnerError):
            trainer.restore_from_checkpoint(path)
        assert same(state(trainer), before)
    file.write_bytes(content)
    assert trainer.restore_from_checkpoint(path)["epoch"] == 3


def test_files_of_two_checkpoints_are_refused(trained, tmp_path):
    trainer, data, path = trained
    trainer.train_minibatch(data)
    trainer.save_checkpoint(tmp_path / "later")
    before = state(trainer)
    (tmp_path / "later").replace(path)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        trainer.restore_from_checkpoint(path)
    assert same(state(trainer), before)


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_save_that_ends_early_leaves_a_checkpoint(trained, monkeypatch, fails):
    trainer, data, path = trained
    first = state(trainer)
    trainer.train_minibatch(data)
    second = state(trainer)
    steps = []

    class Killed(BaseException):
        pass

    def killing(real):
        def step(*arguments):
            steps.append(real)
            if len(steps) == fails:
                raise Killed
            return real(*arguments)

        return step

    monkeypatch.setattr(files, "replace_file", killing(files.replace_file))
    monkeypatch.setattr(files, "rename", killing(files.rename))
    monkeypatch.setattr(type(path), "unlink", lambda self, missing_ok: None)  # as if by a signal
    with pytest.raises(Killed):
        trainer.save_checkpoint(path, {"epoch": 4})
    monkeypatch.undo()
    assert trainer.restore_from_checkpoint(path)["epoch"] == (4 if fails == 3 else 3)
    assert same(state(trainer), second if fails == 3 else first)
    trainer.save_checkpoint(path, {"epoch": 5})
    assert trainer.restore_from_checkpoint(path)["epoch"] == 5
    assert sorted(p.name for p in path.parent.iterdir()) == ["saved", "saved.ckp"]


def test_a_save_that_fails_leaves_no_file_behind(trained, monkeypatch):
    trainer, data, path = trained
    contents = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    trainer.train_minibatch(data)
    real = core_files.write_atomically

    def full(target, content, old=None):
        if target == path:
            raise OSError(28, "No space left on device")
        real(target, content, old)

    monkeypatch.setattr(core_files, "write_atomically", full)
    with pytest.raises(LearnerError, match="No space left"):
        trainer.save_checkpoint(path)
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == contents


def test_training_does_not_go_on_from_a_checkpoint_of_something_else(trained):
    trainer, data, path = trained
    alone = C.Trainer(None, trainer.loss_function, trainer.parameter_learners)
    alone.save_checkpoint(path, {"epoch": 3})
    trainer.train_minibatch(data)
    before = state(trainer)
    arrays = tuple(data.values())
    config = C.CheckpointConfig(path)
    with pytest.raises(CheckpointError, match="state of the training"):
        trainer.loss_function.train(
            arrays, parameter_learners=trainer.parameter_learners, callbacks=[config]
        )
    assert same(state(trainer), before)
