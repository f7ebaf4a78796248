"""Predict the time of an update from its bytes and operations, and measure it."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.cards import counted
from learnerdsl.errors import HyperparameterError
from learnerdsl.inspection.arithmetic import Shape, flops_of_matrices, flops_of_sweep
from learnerdsl.inspection.costs import cost
from learnerdsl.inspection.machine import Machine, NewLearner, seconds_of, this_machine
from learnerdsl.inspection.plans import whole
from learnerdsl.numbers import as_number, quoted
from learnerdsl.pipeline import Program
from learnerdsl.storage import STORAGES
from learnerdsl.tracing import checked_shape


@dataclass(frozen=True)
class Part:
    """A part of an update, of all tensors together.

    Attributes:
        name: "pass 1", "matrices before pass 2".
        bytes: bytes that it reads and writes.
        flops: its floating-point operations.
        seconds: the time that is predicted for it.
    """

    name: str
    bytes: float
    flops: int
    seconds: float

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.flops / self.bytes if self.bytes else math.nan


@dataclass(frozen=True)
class Roofline:
    """What an update moves and computes, and how long that should take.

    Attributes:
        name: the rule's name.
        dtype: number type of the parameters.
        shapes: the shapes of the tensors.
        parts: the sweeps and the functions of matrices, in order.
        memory: bytes of parameters, gradients and states.
        bandwidth: bytes per second that the prediction takes.
        launch: seconds of an update of next to nothing.
        in_cache: whether the arrays fit into the caches, so that the bandwidth is theirs; None if
            the bandwidth was given.
        machine: what was measured of this machine; None if the bandwidth was given.
        measured: seconds of an update, the median of several; None if it was not measured.
    """

    name: str
    dtype: str
    shapes: tuple[Shape, ...]
    parts: tuple[Part, ...]
    memory: float
    bandwidth: float
    launch: float
    in_cache: bool | None
    machine: Machine | None
    measured: float | None

    @property
    def bytes(self) -> float:
        """Bytes that an update reads and writes."""
        return whole(sum(part.bytes for part in self.parts))

    @property
    def flops(self) -> int:
        """Floating-point operations of an update."""
        return sum(part.flops for part in self.parts)

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.flops / self.bytes if self.bytes else math.nan

    @property
    def predicted(self) -> float:
        """Seconds that an update should take."""
        return self.launch + sum(part.seconds for part in self.parts)

    def __str__(self) -> str:
        elements = sum(map(math.prod, self.shapes))
        tensors = counted(len(self.shapes), "tensor")
        lines = [f"{self.name} ({self.dtype}): {tensors}, {counted(elements, 'element')}"]
        lines.append(f"  {'':26}{'bytes':>12}{'flops':>12}{'flops/byte':>12}{'predicted':>12}")
        lines += [_row(p.name, p.bytes, p.flops, p.intensity, p.seconds) for p in self.parts]
        lines += [f"  {'launch':26}{_time(self.launch):>48}"] if self.launch else []
        total = self.bytes, self.flops, self.intensity, self.predicted
        lines.append(_row("update", *total))
        if self.measured is not None:
            lines.append(
                f"  {'measured':26}{_time(self.measured):>48}, "
                f"{self.measured / self.predicted:.2f} times the prediction"
            )
        return "\n".join([*lines, f"  {self._basis()}"])

    def _basis(self) -> str:
        """Return what the prediction rests on."""
        rate = f"{self.bandwidth / 1e9:.3g} GB/s"
        if self.machine is None:
            return f"at {rate}, as given"
        where = "of caches, which hold the arrays" if self.in_cache else "of memory"
        own = self.machine
        return f"at {rate} {where}: {own.processor}, {own.threads} threads, measured {own.date}"


def _row(name: str, nbytes: float, flops: int, intensity: float, seconds: float) -> str:
    ratio = "-" if math.isnan(intensity) else f"{intensity:.3g}"
    numbers = f"{_si(nbytes):>12}{_si(flops):>12}{ratio:>12}"
    return f"  {name:26}{numbers}{_time(seconds):>12}"


def _si(number: float) -> str:
    """Return a number with a prefix of the SI."""
    for prefix, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= factor:
            return f"{number / factor:.3g} {prefix}"
    return f"{number:.3g}"


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def checked_shapes(shapes: Any) -> list[Shape]:
    """Return the shapes of tensors: of one, or of lists and dicts of them or of arrays.

    Raises:
        RuleError: one is no shape.
        HyperparameterError: there is none.
    """
    found = list(_shapes_in(shapes))
    if not found:
        msg = f"A roofline needs the shape of a tensor, or of several, got {shapes!r}; write (10,)."
        raise HyperparameterError(msg)
    return found


def _shapes_in(shapes: Any) -> Iterator[Shape]:
    """Yield the shapes in lists and dicts of shapes and arrays, in order."""
    if isinstance(shapes, Mapping):
        shapes = list(shapes.values())
    elif hasattr(shapes, "shape"):
        shapes = tuple(map(int, shapes.shape))
    is_nested = isinstance(shapes, Sequence) and not isinstance(shapes, str)
    if isinstance(shapes, list) and not shapes:
        return
    if is_nested and shapes and not isinstance(shapes[0], (int, np.integer)):
        for shape in shapes:
            yield from _shapes_in(shape)
    else:
        yield checked_shape(shapes)


def roofline(
    programs: Sequence[Program],
    shapes: Sequence[Shape],
    bandwidth: Any,
    new_learner: NewLearner,
    make: Callable[[list[Any]], Any] | None,
) -> Roofline:
    """Return the roofline of an update.

    Args:
        programs: the program of each tensor.
        shapes: the shape of each tensor.
        bandwidth: bytes per second; None to measure this machine.
        new_learner: makes a learner, to measure the machine with.
        make: makes the learner to be measured, of parameters; None not to measure.

    Raises:
        HyperparameterError: the bandwidth is not positive, or it is not given for a GPU.
    """
    first = programs[0]
    given = None if bandwidth is None else as_number(bandwidth)
    if bandwidth is not None and (given is None or not 0 < given < math.inf):
        msg = f"A bandwidth is a positive number of bytes per second, got {quoted(bandwidth)}."
        raise HyperparameterError(msg)
    if first.target != "cpu" and (given is None or make is not None):
        msg = (
            "The bandwidth of a GPU and its updates are not measured here; write "
            "bandwidth=3.35e12 for that of an H100, and leave measure out."
        )
        raise HyperparameterError(msg)
    machine = None if given is not None else this_machine(new_learner)
    memory = sum(map(_memory, programs, shapes))
    rate = given or (machine.bandwidth_for(memory) if machine else math.nan)
    return Roofline(
        name=first.rule.name,
        dtype=first.dtype,
        shapes=tuple(shapes),
        parts=_parts(programs, shapes, rate, machine),
        memory=memory,
        bandwidth=rate,
        launch=machine.launch if machine else 0.0,
        in_cache=machine.fits_caches(memory) if machine else None,
        machine=machine,
        measured=None if make is None else _measured(programs, shapes, make),
    )


def _memory(program: Program, shape: Shape) -> float:
    own = STORAGES[program.dtype].itemsize + STORAGES[program.precision.gradient].itemsize
    return own * math.prod(shape) + cost(program).state_bytes(shape)


def _parts(
    programs: Sequence[Program], shapes: Sequence[Shape], rate: float, machine: Machine | None
) -> tuple[Part, ...]:
    """Return the parts of all tensors; those of the same name are one."""
    sums: dict[str, list[float]] = {}
    for program, shape in zip(programs, shapes, strict=True):
        for name, nbytes, flops, seconds in _parts_of(program, shape, rate, machine):
            own = sums.setdefault(name, [0.0, 0, 0.0])
            for k, value in enumerate((nbytes, flops, seconds)):
                own[k] += value
    return tuple(Part(name, whole(own[0]), int(own[1]), own[2]) for name, own in sums.items())


def _parts_of(
    program: Program, shape: Shape, rate: float, machine: Machine | None
) -> list[tuple[str, float, int, float]]:
    """Return name, bytes, operations and seconds of each part, of one tensor."""
    layout, elements = program.layout, math.prod(shape)
    found = []
    number = 0
    for level in program.kernel.levels:
        flops = flops_of_matrices(program.kernel, level.matrix, shape)
        if any(flops.values()):
            seconds = 0.0
            if machine is not None:
                seconds = flops["products"] / machine.products
                seconds += flops["decompositions"] / machine.decompositions
            found.append((f"matrices before pass {number + 1}", 0.0, sum(flops.values()), seconds))
        if level.element is not None:
            number += 1
            block = level.element
            nbytes = elements * (
                sum(layout.bytes_loaded(load.array) for load in block.loads)
                + sum(layout.bytes_stored(store.target) for store in block.stores)
            )
            own = flops_of_sweep(block, elements)
            found.append((f"pass {number}", nbytes, own, nbytes / rate))
    return found


def _measured(
    programs: Sequence[Program], shapes: Sequence[Shape], make: Callable[[list[Any]], Any]
) -> float:
    """Return the median seconds of an update of a learner of these shapes."""
    random = np.random.default_rng(0)
    kinds = [STORAGES[program.dtype].numpy for program in programs]
    drawn = [
        [random.standard_normal(shape, np.float32).astype(kind) for _ in range(2)]
        for shape, kind in zip(shapes, kinds, strict=True)
    ]
    learner = make([own[0] for own in drawn])
    gradients = [own[1] for own in drawn]
    return statistics.median(seconds_of(lambda: learner.update(gradients)))
