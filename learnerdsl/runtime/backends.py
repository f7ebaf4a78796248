"""Backends: where the arrays of a learner are, and which engine updates them there."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from learnerdsl.errors import HyperparameterError, LearnerError
from learnerdsl.pipeline import Program, check_rule, compile_rule
from learnerdsl.runtime.arrays.gradients import GradientCheck
from learnerdsl.runtime.arrays.host import Name, Span, check_parameters
from learnerdsl.runtime.arrays.interop import as_tensor, host_array, is_on_device, is_tensor
from learnerdsl.runtime.arrays.tensors import TensorCheck
from learnerdsl.runtime.engine import Engine
from learnerdsl.runtime.exchanges import needs_others
from learnerdsl.runtime.oracle import NumpyEngine
from learnerdsl.runtime.shards import Shard, array_of, shard_of
from learnerdsl.runtime.work import Work
from learnerdsl.storage import Storage
from learnerdsl.tracing import Rule

if TYPE_CHECKING:
    from learnerdsl.runtime.cpu.engine import CpuEngine

BACKENDS = ("auto", "cpu", "cuda", "numpy")
E = TypeVar("E", bound=Engine)


class Backend(Protocol):
    """The parameters of a learner, and the engine that updates them.

    Attributes:
        name: "cpu", "cuda" or "numpy".
        holds_gradients: whether a learner keeps its last gradients, to recognise them
            when they are passed again.
        kinds: number type of each parameter.
        shapes: name of a parameter -> the shape in which its rule sees it; that of the whole
            tensor if it is a part of one.
        shards: what part of a tensor each parameter is; None if it is whole.
    """

    name: str
    holds_gradients: bool
    kinds: list[Storage]
    shapes: dict[Name, tuple[int, ...]]
    shards: list[Shard | None]

    def check(self, what: str, states: Sequence[Span], takes_rows: bool = True) -> GradientCheck:
        """Return a check of arrays against the parameters and the memory of the states.

        Args:
            what: what the arrays are, for error messages.
            states: the memory of the states, which the arrays must not overlap.
            takes_rows: whether the arrays may be `RowSparse`.
        """
        ...

    def on_host(self) -> list[np.ndarray]:
        """Return the parameters as NumPy arrays: the parameters themselves, or copies."""
        ...

    def copies(self) -> list[np.ndarray]:
        """Return copies of the parameters as NumPy arrays."""
        ...

    def write_parameters(self, values: Sequence[np.ndarray]) -> None:
        """Write the values into the parameters, in place."""
        ...

    def like_parameters(self) -> list[np.ndarray]:
        """Return NumPy arrays with the shapes and dtype of the parameters and any values."""
        ...

    def from_host(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """Copy NumPy arrays to where the parameters are, in the shapes that these have."""
        ...

    def engine(self, work: Work) -> Engine:
        """Return the engine that updates the parameters."""
        ...


class HostBackend:
    """NumPy arrays, or tensors of PyTorch in the memory of the host; see `Backend`.

    Args:
        name: "cpu" to compile the rule, "numpy" to interpret it.
        parameters: name -> array.
        seen: name -> the shape in which its rule sees it, with as many elements.
    """

    def __init__(
        self,
        name: str,
        parameters: dict[Name, Any],
        seen: Mapping[Name, tuple[int, ...]] | None = None,
    ) -> None:
        self.name = name
        self.shards = list(map(shard_of, parameters.values()))
        if any(self.shards) and name == "numpy":
            msg = "The oracle works on whole tensors, and processes hold parts of these."
            raise LearnerError(msg)
        parameters = {name: array_of(array) for name, array in parameters.items()}
        self.given = list(parameters.values())
        self.has_tensors = any(map(is_tensor, self.given))
        self.holds_gradients = not self.has_tensors
        arrays = {name: host_array(a, f"Parameter {name!r}") for name, a in parameters.items()}
        self.kinds = check_parameters(arrays)
        # A subclass of ndarray may redefine arithmetic; use plain views of the same memory.
        self.parameters = {name: np.asarray(array) for name, array in arrays.items()}
        pairs = zip(self.parameters.items(), self.shards, strict=True)
        self.shapes = {n: shard.shape if shard else array.shape for (n, array), shard in pairs}
        self.seen = self.parameters
        if seen is not None:
            refuse_reshaped_parts(self.shards)
            self.seen = {n: array.reshape(seen[n]) for n, array in self.parameters.items()}
            self.shapes = dict(seen)

    def check(self, what: str, states: Sequence[Span], takes_rows: bool = True) -> GradientCheck:
        """Return a check of arrays against the parameters and the memory of the states.

        Args:
            what: what the arrays are, for error messages.
            states: the memory of the states, which the arrays must not overlap.
            takes_rows: whether the arrays may be `RowSparse`.
        """
        types = None if takes_rows else [kind.arithmetic for kind in self.kinds]
        if self.has_tensors:
            return TensorCheck(self.given, self.parameters, what, states, takes_rows, types)
        return GradientCheck(self.parameters, what, states, takes_rows, types)

    def on_host(self) -> list[np.ndarray]:
        """Return the parameters themselves, in the shapes in which rules see them."""
        return list(self.seen.values())

    def copies(self) -> list[np.ndarray]:
        """Return copies of the parameters."""
        return [np.array(array) for array in self.on_host()]

    def write_parameters(self, values: Sequence[np.ndarray]) -> None:
        """Copy the values into the parameters."""
        for array, value in zip(self.on_host(), values, strict=True):
            array[...] = value

    def like_parameters(self) -> list[np.ndarray]:
        """Return the parameters themselves."""
        return self.on_host()

    def from_host(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """Return copies in the parameters' shapes; tensors, where the parameters are tensors."""
        pairs = zip(arrays, self.parameters.values(), strict=True)
        copies = [np.array(array).reshape(own.shape) for array, own in pairs]
        pairs = zip(copies, self.given, strict=True)
        return [as_tensor(array) if is_tensor(t) else array for array, t in pairs]

    def engine(self, work: Work) -> Engine:
        """Return the engine that updates the parameters."""
        arrays = self.on_host()
        if self.name == "numpy":
            for rule in one_of_each(work.rules):
                check_rule(rule)
            return NumpyEngine(work, arrays)
        programs = compile_each(work, "cpu")

        cpu_engine = cpu_module("engine").CpuEngine

        def make(program: Program, own: list[int]) -> "CpuEngine":
            part, held = work.only(own), [arrays[k] for k in own]
            if not any(part.shards):
                return cpu_engine(program, part, held)
            if not needs_others(program) and not part.check_finite:
                return cpu_engine(program, replace(part, shapes=[a.shape for a in held]), held)
            return cpu_module("sharded").ShardedEngine(program, part, held)

        return engine_of(programs, make, cpu_module("variants").CpuMixedEngine)


def compile_each(work: Work, target: str) -> list[Program]:
    """Return the program of each tensor.

    Equal rules and equal precisions are the same objects, so few have to be hashed and looked up.
    """
    keys = [(id(r), id(p)) for r, p in zip(work.rules, work.precisions, strict=True)]
    pairs = dict(zip(keys, zip(work.rules, work.precisions, strict=True), strict=True))
    found = {key: compile_rule(*pair, target) for key, pair in pairs.items()}
    return [found[key] for key in keys]


def one_of_each(rules: Sequence[Rule]) -> list[Rule]:
    """Return the distinct objects among the rules, by identity: hashing a rule is slow."""
    return list({id(rule): rule for rule in rules}.values())


def engine_of(
    programs: Sequence[Program],
    make: Callable[[Program, list[int]], E],
    combine: Callable[[list[E], list[list[int]]], Engine],
) -> Engine:
    """Return one engine if all tensors have the same program, else the combination of several.

    Args:
        programs: the program of each tensor.
        make: makes the engine of a program, for the tensors with the given numbers.
        combine: makes one engine of several, each with the numbers of its tensors.
    """
    # Keyed by identity, since hashing a rule is slow.
    members: dict[int, list[int]] = {}
    for k, program in enumerate(programs):
        members.setdefault(id(program), []).append(k)
    engines = [make(programs[own[0]], own) for own in members.values()]
    return engines[0] if len(engines) == 1 else combine(engines, list(members.values()))


def refuse_reshaped_parts(shards: Sequence[Shard | None]) -> None:
    """Raise if processes hold parts of tensors, which cannot be seen in another shape."""
    if any(shards):
        msg = (
            "reshape= needs whole tensors, and processes hold parts of these; leave it out, or "
            "give the learner whole tensors."
        )
        raise LearnerError(msg)


def choose_backend(
    name: str,
    parameters: Mapping[Name, Any],
    seen: Mapping[Name, tuple[int, ...]] | None = None,
) -> Backend:
    """Return the backend with this name for these arrays.

    Args:
        name: one of `BACKENDS`; "auto" is "cuda" if an array is on a device, else "cpu".
        parameters: name -> array.
        seen: name -> the shape in which its rule sees it; None if that is the array's.

    Raises:
        LearnerError: the backend does not exist or is not installed, or it cannot use the arrays.
    """
    if name not in BACKENDS:
        listed = ", ".join(map(repr, BACKENDS))
        msg = f"backend={name!r} is not known; choose one of {listed}."
        raise HyperparameterError(msg)
    if name == "auto":
        arrays = map(array_of, parameters.values())
        name = "cuda" if any(map(is_on_device, arrays)) else "cpu"
    if name != "cuda":
        return HostBackend(name, dict(parameters), seen)
    return cuda_module("backend").CudaBackend(dict(parameters), seen)


def cpu_module(name: str) -> Any:
    """Import a module of the CPU backend.

    It is imported on first use, since it imports Numba: nothing that only shows a rule needs it.
    """
    return importlib.import_module(f"learnerdsl.runtime.cpu.{name}")


def cuda_module(name: str) -> Any:
    """Import a module of the CUDA backend.

    It is imported on first use, since numba-cuda is an optional dependency.

    Raises:
        LearnerError: numba-cuda is not installed.
    """
    try:
        return importlib.import_module(f"learnerdsl.runtime.cuda.{name}")
    except ImportError as error:
        msg = (
            f"CUDA needs numba-cuda, which cannot be imported ({error}); "
            "install it with pip install 'learnerdsl[cuda]'."
        )
        raise LearnerError(msg) from None
