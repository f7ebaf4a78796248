"""Progress writers: they report a training as printed lines, a progress bar or TensorBoard files.

These are the classes of `cntk.logging`. A trainer tells its writers about every minibatch; a writer
adds them up and calls its own `on_...` methods when a report is due.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnerdsl.cntk.checks import flag, path, real, shown, whole, whole_or_none
from learnerdsl.cntk.files import append
from learnerdsl.cntk.graph.functions import Function
from learnerdsl.errors import DtypeError

Span = tuple[float, float]


@dataclass
class _Totals:
    """Sums since the start of an epoch (or of a test)."""

    samples: int = 0
    updates: int = 0
    loss: float = 0.0
    metric: float = 0.0


class ProgressWriter:
    """Adds up minibatches, and calls `on_...` methods, which subclasses override, to report.

    Args:
        freq: number of minibatches between reports; 0 to report after the 1st, 3rd, 7th, 15th ...,
            None to never report.
        first: number of minibatches at the start to report one by one.
        test_freq: like `freq`, for tests.
        test_first: like `first`, for tests.
    """

    def __init__(
        self,
        freq: int | None = None,
        first: int = 0,
        test_freq: int | None = None,
        test_first: int = 0,
    ) -> None:
        self.freq, self.first = whole_or_none("freq", freq), whole("first", first)
        self.test_freq = whole_or_none("test_freq", test_freq)
        self.test_first = whole("test_first", test_first)
        self.training = [_Totals(), _Totals()]
        self.testing = [_Totals(), _Totals()]
        self.epochs = self.tests = 0
        self.total_updates = 0
        self._start = time.perf_counter()

    def update_training(self, samples: int, loss: float, metric: float | None) -> None:
        """Add a minibatch: its size, and the sums of its loss and metric."""
        _check_counted(samples, loss, metric)
        self.total_updates += 1
        if _add(self.training, samples, loss, metric, self.freq, self.first):
            samples_span, updates, loss_span, metric_span = _spans(self.training)
            has_metric = metric is not None
            self.on_training_update(samples_span, updates, loss_span, metric_span, has_metric)
            self.training[0] = _Totals(**vars(self.training[1]))

    def update_test(self, samples: int, metric: float | None) -> None:
        """Add a minibatch of a test: its size, and the sum of its metric."""
        _check_counted(samples, 0.0, metric)
        if _add(self.testing, samples, 0.0, metric, self.test_freq, self.test_first):
            samples_span, updates, _, metric_span = _spans(self.testing)
            self.on_test_update(samples_span, updates, metric_span)
            self.testing[0] = _Totals(**vars(self.testing[1]))

    def finish_training(self, with_metric: bool) -> None:
        """Report an epoch, and start the next one."""
        totals, seconds = self.training[1], time.perf_counter() - self._start
        self.epochs += 1
        metric = totals.metric if with_metric else None
        self.on_training_summary(totals.samples, totals.updates, totals.loss, metric, seconds)
        self.training = [_Totals(), _Totals()]
        self._start = time.perf_counter()

    def finish_test(self) -> None:
        """Report a test, and start the next one."""
        totals = self.testing[1]
        self.tests += 1
        self.on_test_summary(totals.samples, totals.updates, totals.metric)
        self.testing = [_Totals(), _Totals()]

    def write(self, key: str, value: float) -> None:
        """Report a value that has changed, such as a learning rate."""

    def on_training_update(
        self, samples: Span, updates: Span, loss: Span, metric: Span, with_metric: bool
    ) -> None:
        """Report the last minibatches; each argument is a total at (the last report, now)."""

    def on_training_summary(
        self, samples: int, updates: int, loss: float, metric: float | None, seconds: float
    ) -> None:
        """Report an epoch; loss and metric are sums over its samples."""

    def on_test_update(self, samples: Span, updates: Span, metric: Span) -> None:
        """Report the last test minibatches."""

    def on_test_summary(self, samples: int, updates: int, metric: float) -> None:
        """Report a test."""

    def close(self) -> None:
        """Write buffered reports, and close files."""


def _check_counted(samples: Any, loss: Any, metric: Any) -> None:
    """Raise unless all arguments are numbers."""
    whole("samples", samples)
    real("loss", loss)
    real("metric", 0.0 if metric is None else metric)


def _add(
    totals: list[_Totals],
    samples: int,
    loss: float,
    metric: float | None,
    freq: int | None,
    first: int,
) -> bool:
    """Add a minibatch to the totals; return whether a report is due."""
    now = totals[1]
    now.samples += samples
    now.updates += 1
    now.loss += loss
    now.metric += 0.0 if metric is None else metric
    if freq is None:
        return False
    if freq == 0:
        return now.updates & (now.updates + 1) == 0
    return now.updates <= first or now.updates % freq == 0


def _spans(totals: list[_Totals]) -> list[Span]:
    before, now = totals
    names = ("samples", "updates", "loss", "metric")
    return [(getattr(before, name), getattr(now, name)) for name in names]


def _average(span: Span, samples: Span) -> float:
    """Return the average over the samples between two totals."""
    count = samples[1] - samples[0]
    return (span[1] - span[0]) / count if count else 0.0


class ProgressPrinter(ProgressWriter):
    """Prints lines as CNTK does.

    Args:
        freq: number of minibatches between lines; with None or 0 they are geometric, as in CNTK:
            after the 1st, 3rd, 7th, 15th ... of an epoch.
        first: number of minibatches at the start to print one by one.
        tag: text at the start of the last line of an epoch.
        log_to_file: path of a file to write to instead of printing.
        rank: accepted for compatibility with CNTK, ignored.
        gen_heartbeat: accepted for compatibility with CNTK, ignored.
        num_epochs: total number of epochs, to be shown.
        test_freq: like `freq`, for tests.
        test_first: like `first`, for tests.
        metric_is_pct: whether to show metrics as percentages.

    >>> printer = ProgressPrinter(freq=0)
    >>> for loss in (6.0, 4.0, 2.0):
    ...     printer.update_training(2, loss, None)
     average      since      examples
        loss       last
     --------------------------------
            3          3             2
            2        1.5             6
    """

    def __init__(
        self,
        freq: int | None = None,
        first: int = 0,
        tag: str = "",
        log_to_file: str | Path | None = None,
        rank: int | None = None,
        gen_heartbeat: bool = False,
        num_epochs: int | None = None,
        test_freq: int | None = None,
        test_first: int = 0,
        metric_is_pct: bool = True,
    ) -> None:
        super().__init__(0 if freq is None else freq, first, test_freq, test_first)
        del rank, gen_heartbeat
        self.tag = f"[{tag}] " if tag else ""
        self.num_epochs = whole_or_none("num_epochs", num_epochs)
        self.metric_is_pct = flag("metric_is_pct", metric_is_pct)
        self._path = None if log_to_file is None else path("log_to_file", log_to_file)
        self._has_header = False
        if self._path is not None:
            append(self._path, "")

    def log(self, line: str) -> None:
        """Print a line, or write it to the file."""
        if self._path is None:
            print(line)
        else:
            append(self._path, f"{line}\n")

    def write(self, key: str, value: float) -> None:
        """Print a changed value."""
        self.log(f"{key}: {real(f'The value of {key}', value):g}")

    def on_training_update(
        self, samples: Span, updates: Span, loss: Span, metric: Span, with_metric: bool
    ) -> None:
        """Print averages over the epoch and since the last line, or over the last minibatches."""
        recent = (_average(loss, samples), _average(metric, samples))
        if self.freq:
            size = int(samples[1] - samples[0])
            part = f" * {size:d}"
            text = (
                f" Minibatch[{int(updates[0]) + 1:4d}-{int(updates[1]):4d}]: loss = {recent[0]:.6f}"
            )
            text += part + (f", metric = {self._shown(recent[1])}{part}" if with_metric else "")
            self.log(f"{text};")
            return
        self._print_header(with_metric)
        whole = (0.0, samples[1])
        columns = [_average((0.0, loss[1]), whole), recent[0]]
        columns += [_average((0.0, metric[1]), whole), recent[1]] if with_metric else []
        self.log(" " + " ".join(f"{c:8.3g}  " for c in columns).rstrip() + f"    {samples[1]:10d}")

    def _print_header(self, with_metric: bool) -> None:
        if self._has_header:
            return
        self._has_header = True
        pairs = 2 if with_metric else 1
        self.log(" average      since   " * pairs + "   examples")
        self.log("    loss       last" + ("     metric       last" if with_metric else ""))
        self.log(" " + "-" * (32 if pairs == 1 else 54))

    def _shown(self, metric: float) -> str:
        return f"{metric * 100:.2f}%" if self.metric_is_pct else f"{metric:.6f}"

    def on_training_summary(
        self, samples: int, updates: int, loss: float, metric: float | None, seconds: float
    ) -> None:
        """Print the averages of an epoch."""
        count = samples or 1
        number = f"{self.epochs}" + (f" of {self.num_epochs}" if self.num_epochs else "")
        text = (
            f"{self.tag}Finished Epoch[{number}]: [Training] loss = {loss / count:.6f} * {samples}"
        )
        if metric is not None:
            text += f", metric = {self._shown(metric / count)} * {samples}"
        speed = samples / seconds if seconds > 0 else 0.0
        self.log(f"{text} {seconds:.3f}s ({speed:5.1f} samples/s);")

    def on_test_update(self, samples: Span, updates: Span, metric: Span) -> None:
        """Print the average metric of the last test minibatches."""
        count = int(samples[1] - samples[0])
        shown = self._shown(_average(metric, samples))
        place = f"{int(updates[0]) + 1}-{int(updates[1])}"
        self.log(f" Evaluation Minibatch[{place}]: metric = {shown} * {count};")

    def on_test_summary(self, samples: int, updates: int, metric: float) -> None:
        """Print the average metric of a test."""
        shown = self._shown(metric / (samples or 1))
        place = f"Minibatch[1-{updates}]"
        self.log(
            f"{self.tag}Finished Evaluation [{self.tests}]: {place}: metric = {shown} * {samples};"
        )


class TqdmProgressWriter(ProgressWriter):
    """Shows a progress bar for every epoch, with the package `tqdm`.

    Args:
        epoch_size: number of samples in an epoch, the length of the bar.
        **options: options of `tqdm`.
    """

    def __init__(self, epoch_size: int | None = None, **options: Any) -> None:
        super().__init__(freq=1)
        total = whole_or_none("epoch_size", epoch_size)
        self._tqdm = _optional("tqdm.auto", "tqdm").tqdm
        self._options = {"total": total, "unit": " samples", **options}
        self._bar: Any = None

    def on_training_update(
        self, samples: Span, updates: Span, loss: Span, metric: Span, with_metric: bool
    ) -> None:
        """Move the bar, and show the averages of the epoch."""
        if self._bar is None:
            self._bar = self._tqdm(desc=f"epoch {self.epochs + 1}", **self._options)
        whole = (0.0, samples[1])
        shown = {"loss": _average((0.0, loss[1]), whole)}
        shown |= {"metric": _average((0.0, metric[1]), whole)} if with_metric else {}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(int(samples[1] - samples[0]))

    def on_training_summary(
        self, samples: int, updates: int, loss: float, metric: float | None, seconds: float
    ) -> None:
        """Close the bar of this epoch."""
        self.close()

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class TensorBoardProgressWriter(ProgressWriter):
    """Writes files for TensorBoard, with the package `tensorboardX`.

    Args:
        freq: number of minibatches between values; None to write for epochs only.
        log_dir: directory of the files.
        rank: accepted for compatibility with CNTK, ignored.
        model: accepted for compatibility with CNTK, ignored; graphs are not written.
    """

    def __init__(
        self,
        freq: int | None = None,
        log_dir: str | Path = ".",
        rank: int | None = None,
        model: Function | None = None,
    ) -> None:
        super().__init__(freq, 0, None, 0)
        del rank, model
        directory = log_dir if str(log_dir) == "." else path("log_dir", log_dir)
        make: Callable[..., Any] = _optional("tensorboardX", "tensorboardX").SummaryWriter
        self._writer = make(logdir=str(directory))

    def write(self, key: str, value: float) -> None:
        """Write a changed value."""
        self.write_value(key, value, self.total_updates)

    def write_value(self, name: str, value: float, step: int) -> None:
        """Write a value under a name of your choice."""
        self._writer.add_scalar(name, float(value), step)

    def on_training_update(
        self, samples: Span, updates: Span, loss: Span, metric: Span, with_metric: bool
    ) -> None:
        """Write the averages of the last minibatches."""
        self.write_value("minibatch/avg_loss", _average(loss, samples), self.total_updates)
        if with_metric:
            self.write_value("minibatch/avg_metric", _average(metric, samples), self.total_updates)

    def on_training_summary(
        self, samples: int, updates: int, loss: float, metric: float | None, seconds: float
    ) -> None:
        """Write the averages of an epoch."""
        self.write_value("summary/avg_loss", loss / (samples or 1), self.epochs)
        if metric is not None:
            self.write_value("summary/avg_metric", metric / (samples or 1), self.epochs)

    def on_test_summary(self, samples: int, updates: int, metric: float) -> None:
        """Write the average metric of a test."""
        self.write_value("summary/test_avg_metric", metric / (samples or 1), self.tests)

    def flush(self) -> None:
        """Write buffered values to disk."""
        self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        self._writer.close()


def log_number_of_parameters(model: Function, trace_level: int = 0) -> None:
    """Print the number of parameters of a model."""
    del trace_level
    if not isinstance(model, Function):
        msg = f"log_number_of_parameters needs a model, a function of nodes, got {shown(model)}."
        raise DtypeError(msg)
    count, arrays = sum(p.memory.size for p in model.parameters), len(model.parameters)
    print(f"Training {count} parameters in {arrays} parameter tensors.")


def _optional(module: str, package: str) -> Any:
    """Import a module of an optional package, or raise with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        msg = f"This progress writer needs the package {package}; run: pip install {package}"
        raise ImportError(msg) from None
