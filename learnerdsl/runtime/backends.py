"""What a Learner needs to know of where its arrays are: on the host, or on a device."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from learnerdsl.dtypes import NumberType
from learnerdsl.errors import HyperparameterError, LearnerError
from learnerdsl.pipeline import Program, compile_rule
from learnerdsl.runtime.arrays.gradients import GradientCheck
from learnerdsl.runtime.arrays.host import Name, Span, check_parameters
from learnerdsl.runtime.arrays.interop import is_on_device
from learnerdsl.runtime.cpu.engine import CpuEngine
from learnerdsl.runtime.engine import Engine, Groups
from learnerdsl.runtime.oracle import NumpyEngine
from learnerdsl.runtime.variants import MixedEngine
from learnerdsl.tracing import Rule

BACKENDS = ("auto", "cpu", "cuda", "numpy")


class Backend(Protocol):
    """Arrays of one place, and what updates them.

    Attributes:
        name: "cpu", "cuda" or "numpy".
        kind: number type of the parameters.
        shapes: their shapes.
        holds_gradients: whether a learner holds its last gradients, to know new ones by them.
    """

    name: str
    holds_gradients: bool
    kind: NumberType
    shapes: dict[Name, tuple[int, ...]]

    def check(self, what: str, states: Sequence[Span], takes_rows: bool = True) -> GradientCheck:
        """Checks arrays that belong to the parameters, and lie outside of these states."""
        ...

    def on_host(self) -> list[np.ndarray]:
        """The parameters in NumPy: themselves, or copies."""
        ...

    def copies(self) -> list[np.ndarray]:
        """Copies of the parameters in NumPy."""
        ...

    def write_parameters(self, values: Sequence[np.ndarray]) -> None:
        """Give the parameters these values, in place."""
        ...

    def like_parameters(self) -> list[np.ndarray]:
        """Arrays in NumPy with the shapes and dtype of the parameters, whatever their values."""
        ...

    def from_host(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """New arrays of the place of the parameters."""
        ...

    def engine(
        self, rules: Sequence[Rule], groups: Groups, check_finite: bool, seed: int
    ) -> Engine:
        """What does the updates."""
        ...


class HostBackend:
    """NumPy arrays; see `Backend`.

    Args:
        name: "cpu", compiled, or "numpy", interpreted.
        parameters: name -> array.
    """

    holds_gradients = True

    def __init__(self, name: str, parameters: dict[Name, Any]) -> None:
        self.name = name
        self.kind = check_parameters(parameters)
        # Subclasses of arrays may have an arithmetic of their own: plain ones of the same memory.
        self.parameters = {name: np.asarray(array) for name, array in parameters.items()}
        self.shapes = {name: array.shape for name, array in parameters.items()}

    def check(self, what: str, states: Sequence[Span], takes_rows: bool = True) -> GradientCheck:
        """Checks arrays that belong to the parameters, and lie outside of these states."""
        return GradientCheck(self.parameters, what, states, takes_rows)

    def on_host(self) -> list[np.ndarray]:
        """The parameters."""
        return list(self.parameters.values())

    def copies(self) -> list[np.ndarray]:
        """Copies of the parameters."""
        return [np.array(array) for array in self.on_host()]

    def write_parameters(self, values: Sequence[np.ndarray]) -> None:
        """Copy the values into the parameters."""
        for array, value in zip(self.on_host(), values, strict=True):
            array[...] = value

    def like_parameters(self) -> list[np.ndarray]:
        """The parameters."""
        return self.on_host()

    def from_host(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """The arrays, as new ones."""
        return [np.array(array) for array in arrays]

    def engine(
        self, rules: Sequence[Rule], groups: Groups, check_finite: bool, seed: int
    ) -> Engine:
        """What does the updates."""
        arrays = self.on_host()
        # Also for the oracle: the compiler refuses values stored where they do not fit.
        programs = compile_each(rules, self.kind.name, "cpu")
        if self.name == "numpy":
            return NumpyEngine(rules, arrays, groups, check_finite, seed)

        def make(program: Program, own: list[int]) -> CpuEngine:
            parts = of_members(groups, own)
            return CpuEngine(program, [arrays[k] for k in own], parts, check_finite, seed, own)

        return engine_of(programs, make, MixedEngine)


def compile_each(rules: Sequence[Rule], dtype: str, target: str) -> list[Program]:
    """The program of each rule; equal rules are one object, so that few are looked up."""
    found = {id(rule): compile_rule(rule, dtype, target) for rule in one_of_each(rules)}
    return [found[id(rule)] for rule in rules]


def one_of_each(rules: Sequence[Rule]) -> list[Rule]:
    """The different objects among the rules; hashing a rule takes long."""
    return list({id(rule): rule for rule in rules}.values())


def of_members(groups: Groups, own: Sequence[int]) -> Groups:
    """The groups of some of the parameters."""
    return Groups([groups.of_parameters[k] for k in own], groups.count)


def engine_of(
    programs: Sequence[Program], make: Callable[[Program, list[int]], Any], mixed: Any
) -> Any:
    """One engine for all tensors, or one for each variant of the rule."""
    if all(program is programs[0] for program in programs):
        return make(programs[0], list(range(len(programs))))
    return mixed(programs, make)


def choose_backend(name: str, parameters: Mapping[Name, Any]) -> Backend:
    """The backend of this name for these arrays; "auto" follows the arrays.

    Raises:
        LearnerError: there is no such backend, it is not installed, or the arrays are elsewhere.
    """
    if name not in BACKENDS:
        listed = ", ".join(map(repr, BACKENDS))
        msg = f"backend={name!r} is not known; choose one of {listed}."
        raise HyperparameterError(msg)
    if name == "auto":
        name = "cuda" if any(map(is_on_device, parameters.values())) else "cpu"
    if name != "cuda":
        return HostBackend(name, dict(parameters))
    return cuda_module("backend").CudaBackend(dict(parameters))


def cuda_module(name: str) -> Any:
    """A module of the CUDA backend, which is imported only where it is used.

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
