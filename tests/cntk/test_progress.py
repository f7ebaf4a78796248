import importlib.util
import sys
import types

import numpy as np
import pytest

import learnerdsl.cntk as C
from learnerdsl.errors import HyperparameterError


def trainer_with(writer, metric=True):
    x, y = C.input_variable(1), C.input_variable(1)
    w = C.parameter((1, 1), init=0)
    model = C.times(x, w)
    loss = C.squared_error(model, y)
    lr = C.learning_rate_schedule([0.25, 0.125], C.UnitType.minibatch, epoch_size=12)
    criterion = (loss, C.squared_error(model, y) * 0.5) if metric else loss
    trainer = C.Trainer(model, criterion, C.sgd([w], lr), writer)
    return trainer, {x: np.ones((4, 1), np.float32), y: np.ones((4, 1), np.float32)}


def run(trainer, data, updates):
    for _ in range(updates):
        trainer.train_minibatch(data)
    trainer.summarize_training_progress()


def test_lines_come_on_the_geometric_schedule(capsys):
    trainer, data = trainer_with(C.logging.ProgressPrinter(freq=0))
    run(trainer, data, 8)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Learning rate per minibatch: 0.25"
    assert lines[1].split() == ["average", "since", "average", "since", "examples"]
    assert lines[2].split() == ["loss", "last", "metric", "last"]
    assert set(lines[3].strip()) == {"-"}
    assert [line.split()[-1] for line in lines if line.split()[-1].isdigit()] == ["4", "12", "28"]
    assert lines[4].split() == ["1", "1", "0.5", "0.5", "4"]
    assert "Learning rate per minibatch: 0.125" in lines
    assert lines[-1].startswith("Finished Epoch[1]: [Training] loss = ")


def test_a_frequency_prints_ranges_of_minibatches(capsys):
    trainer, data = trainer_with(C.logging.ProgressPrinter(freq=2, first=1, num_epochs=3, tag="T"))
    run(trainer, data, 4)
    lines = [line for line in capsys.readouterr().out.splitlines() if "Minibatch[" in line]
    assert [line.split(":")[0] for line in lines] == [
        " Minibatch[   1-   1]",
        " Minibatch[   2-   2]",
        " Minibatch[   3-   4]",
    ]
    assert "loss = 1.000000 * 4, metric = 50.00% * 4;" in lines[0]


def test_tests_are_summarised(capsys):
    trainer, data = trainer_with(C.logging.ProgressPrinter(test_freq=1))
    trainer.test_minibatch(data)
    trainer.summarize_test_progress()
    out = capsys.readouterr().out
    assert "Evaluation Minibatch[1-1]: metric = 50.00% * 4;" in out
    assert "Finished Evaluation [1]: Minibatch[1-1]: metric = 50.00% * 4;" in out


def test_lines_can_go_to_a_file(tmp_path, capsys):
    trainer, data = trainer_with(C.logging.ProgressPrinter(log_to_file=tmp_path / "log"), False)
    run(trainer, data, 3)
    assert capsys.readouterr().out == ""
    text = (tmp_path / "log").read_text()
    assert "average      since      examples" in text
    assert "metric" not in text


def test_a_negative_frequency_is_refused():
    with pytest.raises(HyperparameterError, match="freq"):
        C.logging.ProgressPrinter(freq=-1)


def test_a_writer_of_ones_own_gets_totals():
    seen = []

    class Mine(C.logging.ProgressWriter):
        def on_training_update(self, samples, updates, loss, metric, with_metric):
            seen.append((samples, updates, with_metric))

    trainer, data = trainer_with(Mine(freq=2))
    run(trainer, data, 4)
    assert seen == [((0, 8), (0, 2), True), ((8, 16), (2, 4), True)]


def test_the_progress_bar_shows_samples(capsys):
    pytest.importorskip("tqdm")
    trainer, data = trainer_with(C.logging.TqdmProgressWriter(epoch_size=12, ncols=80))
    run(trainer, data, 3)
    err = capsys.readouterr().err
    assert "epoch 1" in err
    assert "12/12" in err
    assert "loss=" in err


def test_tensorboard_values_go_to_the_optional_library(monkeypatch, tmp_path):
    written = []

    class SummaryWriter:
        def __init__(self, logdir):
            written.append(logdir)

        def add_scalar(self, name, value, step):
            written.append((name, step))

        def flush(self):
            pass

        def close(self):
            written.append("closed")

    fake = types.ModuleType("tensorboardX")
    fake.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "tensorboardX", fake)
    writer = C.logging.TensorBoardProgressWriter(freq=2, log_dir=tmp_path)
    trainer, data = trainer_with(writer)
    run(trainer, data, 2)
    trainer.test_minibatch(data)
    trainer.summarize_test_progress()
    writer.flush()
    writer.close()
    assert written == [
        str(tmp_path),
        ("Learning rate per minibatch", 0),
        ("minibatch/avg_loss", 2),
        ("minibatch/avg_metric", 2),
        ("summary/avg_loss", 1),
        ("summary/avg_metric", 1),
        ("summary/test_avg_metric", 1),
        "closed",
    ]


def test_a_missing_library_says_what_to_install():
    if importlib.util.find_spec("tensorboardX"):
        pytest.skip("it is installed here")
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        C.logging.TensorBoardProgressWriter()


def test_the_number_of_parameters_is_printed(capsys):
    model = C.layers.Dense(2)(C.input_variable(3))
    C.logging.log_number_of_parameters(model)
    assert capsys.readouterr().out == "Training 8 parameters in 2 parameter tensors.\n"
