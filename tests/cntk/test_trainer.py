import numpy as np
import pytest

import learnerdsl.cntk as C
from learnerdsl import LearnerError
from learnerdsl.cntk.checkpoint_file import read_tree, write_tree
from learnerdsl.errors import CheckpointError


def regression(seed=0, count=2):
    """A linear model with its loss, and data that it can fit."""
    x, y = C.input_variable(3), C.input_variable(1)
    w, b = C.parameter((3, 1), name="w"), C.parameter((1,), name="b")
    model = C.times(x, w) + b
    loss = C.squared_error(model, y)
    random = np.random.default_rng(seed)
    data = random.normal(size=(32, 3)).astype(np.float32)
    target = data @ np.array([[1], [-2], [3]], np.float32) + 1
    return model, loss, (x, y), (w, b), (data, target)


def momentum(parameters):
    return C.momentum_sgd(parameters, C.learning_rate_schedule(0.1, C.UnitType.minibatch), 0.9)


def test_averages_and_counts_of_a_minibatch():
    model, loss, (x, y), (w, b), (data, target) = regression()
    metric = C.squared_error(model, y) * 2
    trainer = C.Trainer(model, (loss, metric), momentum([w, b]))
    assert trainer.train_minibatch({x: data, y: target})
    expected = float((target**2).mean())
    samples, loss_sum, metric_sum = trainer.previous_minibatch
    assert samples == 32
    assert [loss_sum, metric_sum] == pytest.approx([32 * expected, 64 * expected], rel=1e-5)
    assert trainer.previous_minibatch_loss_average == pytest.approx(expected, rel=1e-5)
    assert trainer.previous_minibatch_evaluation_average == pytest.approx(2 * expected, rel=1e-5)
    assert trainer.previous_minibatch_sample_count == trainer.total_number_of_samples_seen == 32
    assert trainer.test_minibatch({x: data, y: target}) < 2 * expected


def test_outputs_are_those_before_the_update():
    model, loss, (x, y), (w, b), (data, target) = regression()
    trainer = C.Trainer(model, loss, momentum([w, b]))
    updated, values = trainer.train_minibatch({x: data, y: target}, outputs=[model])
    assert updated
    assert not values[model].any()


def test_gradients_are_summed_over_the_minibatch():
    _, loss, (x, y), (w, b), (data, target) = regression()
    trainer = C.Trainer(loss, loss, C.sgd([w, b], C.learning_parameter_schedule_per_sample(0.5)))
    trainer.train_minibatch({x: data, y: target})
    assert b.value[0] == pytest.approx(target.sum(), rel=1e-5)


def test_several_learners_share_a_model():
    model, loss, (x, y), (w, b), (data, target) = regression()
    stopped = C.sgd([b], 0)
    trainer = C.Trainer(model, loss, [momentum([w]), stopped])
    assert trainer.train_minibatch({x: data, y: target})
    assert w.value.any()
    assert not b.value.any()
    assert not C.Trainer(model, loss, stopped).train_minibatch({x: data, y: target})


def test_a_minibatch_without_data_does_nothing():
    model, loss, _, (w, b), _ = regression()
    trainer = C.Trainer(model, loss, momentum([w, b]))
    assert trainer.train_minibatch({}) is False
    with pytest.raises(ValueError, match="no minibatch yet"):
        _ = trainer.previous_minibatch_loss_average


def test_parameters_that_cannot_be_trained_together_are_refused():
    model, loss, _, (w, b), _ = regression()
    with pytest.raises(ValueError, match="two learners"):
        C.Trainer(model, loss, [momentum([w]), momentum([w, b])])
    with pytest.raises(ValueError, match="not in the model"):
        C.Trainer(model, loss, momentum([w, C.parameter(3)]))
    with pytest.raises(ValueError, match="at least one learner"):
        C.Trainer(model, loss, [])
    for wrong in (None, (), "loss"):
        with pytest.raises(TypeError, match="criterion"):
            C.Trainer(model, wrong, momentum([w]))


def test_sweeps_are_counted():
    model, loss, (x, y), (w, b), (data, target) = regression()
    learner = C.sgd([w, b], C.learning_parameter_schedule([0.1, 0.05]))
    trainer = C.Trainer(model, loss, learner)
    trainer.train_minibatch({x: data, y: target}, is_sweep_end=True)
    trainer.train_minibatch(({x: data, y: target}, True))
    assert learner.total_number_of_sweeps_seen() == 2
    assert learner.learning_rate() == 0.05


def test_a_restored_trainer_goes_on_the_same(tmp_path):
    def make():
        model, loss, inputs, parameters, arrays = regression()
        trainer = C.Trainer(model, loss, C.adam(parameters, 0.1, 0.9))
        return trainer, dict(zip(inputs, arrays, strict=True)), parameters

    trainer, data, parameters = make()
    for _ in range(3):
        trainer.train_minibatch(data)
    state = {"epoch": 3, "best": [0.5, None], "order": np.arange(4)}
    trainer.save_checkpoint(tmp_path / "model", state)
    trainer.train_minibatch(data)
    other, other_data, others = make()
    restored = other.restore_from_checkpoint(tmp_path / "model")
    assert (restored["epoch"], restored["best"]) == (3, [0.5, None])
    assert np.array_equal(restored["order"], np.arange(4))
    assert other.total_number_of_samples_seen == 96
    other.train_minibatch(other_data)
    for p, q in zip(parameters, others, strict=True):
        assert np.array_equal(p.value, q.value)


def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path):
    model, loss, (x, y), (w, b), (data, target) = regression()
    trainer = C.Trainer(model, loss, momentum([w, b]))
    trainer.train_minibatch({x: data, y: target})
    trainer.save_checkpoint(tmp_path / "model")
    before = w.value
    other = C.Trainer(model, loss, C.adam([w, b], 0.1, 0.9))
    with pytest.raises(CheckpointError, match="momentum_sgd"):
        other.restore_from_checkpoint(tmp_path / "model")
    (tmp_path / "model.ckp").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="damaged"):
        trainer.restore_from_checkpoint(tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        trainer.restore_from_checkpoint(tmp_path / "nothing")
    assert np.array_equal(w.value, before)


@pytest.mark.parametrize("wrong", [{"a": {1: 2}}, {"a": object()}, {"a": np.array([object()])}])
def test_what_cannot_be_saved_is_named_and_nothing_is_written(tmp_path, wrong):
    with pytest.raises(CheckpointError, match="'a'"):
        write_tree(tmp_path / "file", wrong)
    assert not list(tmp_path.iterdir())


def test_a_tree_of_arrays_is_read_as_it_was_written(tmp_path):
    tree = {"x": [np.float32(1.5), {"y": np.zeros((0, 2))}], "text": "é", "inf": float("inf")}
    write_tree(tmp_path / "file", tree)
    found = read_tree(tmp_path / "file")
    assert (found["x"][0], found["x"][1]["y"].shape) == (1.5, (0, 2))
    assert (found["text"], found["inf"]) == ("é", float("inf"))


def test_train_runs_epochs_over_arrays():
    _, loss, _, (w, b), arrays = regression()
    summary = loss.train(
        arrays, minibatch_size=8, parameter_learners=momentum([w, b]), max_epochs=20
    )
    assert (summary.updates, len(summary.epoch_summaries)) == (80, 20)
    assert summary.epoch_summaries[-1].samples == 32
    assert summary.epoch_summaries[-1].loss < 1e-2
    np.testing.assert_allclose(w.value.ravel(), [1, -2, 3], atol=0.1)


def test_train_takes_epoch_sizes_and_most_samples():
    _, loss, (x, y), (w, b), (data, target) = regression()
    learner = momentum([w, b])
    summary = loss.train(
        {x: data, y: target}, 10, parameter_learners=[learner], epoch_size=25, max_samples=60
    )
    assert [epoch.samples for epoch in summary.epoch_summaries] == [25, 25, 10]
    assert learner.total_number_of_samples_seen() == 60
    assert learner.total_number_of_sweeps_seen() == 1


def test_training_goes_on_from_a_checkpoint(tmp_path):
    def make(name):
        _, loss, _, parameters, arrays = regression()
        config = C.CheckpointConfig(tmp_path / name)
        return loss, C.adam(parameters, 0.1, 0.9), config, parameters, arrays

    loss, learner, config, parameters, arrays = make("whole")
    loss.train(arrays, 8, parameter_learners=learner, callbacks=[config], max_epochs=4)
    loss, learner, config, _, arrays = make("parts")
    loss.train(arrays, 8, parameter_learners=learner, callbacks=[config], max_epochs=2)
    loss, learner, config, others, arrays = make("parts")
    summary = loss.train(arrays, 8, parameter_learners=learner, callbacks=[config], max_epochs=4)
    assert len(summary.epoch_summaries) == 2
    for p, q in zip(parameters, others, strict=True):
        assert np.array_equal(p.value, q.value)


def test_validation_can_stop_training_and_a_test_follows():
    _, loss, _, parameters, arrays = regression()
    seen = []

    def judge(index, average, samples, batches):
        seen.append((index, samples, batches))
        return average > 1

    ended = []
    summary = loss.train(
        arrays,
        8,
        parameter_learners=momentum(parameters),
        max_epochs=50,
        callbacks=[
            C.CrossValidationConfig(arrays, minibatch_size=20, callback=judge),
            C.TestConfig(arrays),
            lambda trainer, epoch: ended.append(epoch.loss),
        ],
    )
    assert 1 < len(seen) < 50
    assert seen[0] == (0, 32, 2)
    assert len(ended) == len(seen) == len(summary.epoch_summaries)
    assert summary.test_summary <= 1
    assert loss.test(arrays) == pytest.approx(summary.test_summary)


@pytest.mark.parametrize(
    ("data", "size", "match"),
    [
        ((np.zeros((4, 3)),), 2, "2 inputs"),
        ((np.zeros((4, 3)), np.zeros((3, 1))), 2, "same number of samples"),
        (5, 2, "tuple or dict"),
        ((np.zeros((4, 3)), np.zeros((4, 1))), 0, "positive int"),
    ],
)
def test_wrong_data_for_train_are_refused(data, size, match):
    _, loss, _, parameters, _ = regression()
    with pytest.raises(LearnerError, match=match):
        loss.train(data, size, parameter_learners=momentum(parameters))


def embedding():
    x = C.input_variable(6, is_sparse=True)
    y = C.input_variable(2)
    table = C.parameter((6, 2), init=0.5, name="table")
    return C.squared_error(C.times(x, table), y), x, y, table


def test_sparse_data_move_their_rows_only():
    sparse = pytest.importorskip("scipy.sparse")
    loss, x, y, table = embedding()
    trainer = C.Trainer(loss, loss, C.adam([table], 0.1, 0.9))
    words = sparse.csr_matrix(np.eye(6, dtype=np.float32)[[1, 4, 1]])
    for _ in range(3):
        trainer.train_minibatch({x: words, y: np.ones((3, 2), np.float32)})
    moved = np.any(table.value != np.float32(0.5), axis=1)
    assert list(np.flatnonzero(moved)) == [1, 4]
