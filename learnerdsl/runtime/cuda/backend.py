"""The CUDA backend: parameters on a device, and the engine that updates them."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.device import DeviceGradientCheck, Place, check_device_parameters
from learnerdsl.runtime.arrays.host import Name, Span
from learnerdsl.runtime.arrays.interop import allocator_beside, stream_of
from learnerdsl.runtime.backends import compile_each, engine_of, refuse_reshaped_parts
from learnerdsl.runtime.cuda.device import Device, DeviceView
from learnerdsl.runtime.cuda.driver import device_number
from learnerdsl.runtime.cuda.engine import CudaEngine
from learnerdsl.runtime.cuda.linalg import namespace_for
from learnerdsl.runtime.cuda.matrix_stage import as_view
from learnerdsl.runtime.cuda.sharded import ShardedCudaEngine
from learnerdsl.runtime.cuda.variants import CudaMixedEngine
from learnerdsl.runtime.engine import Engine
from learnerdsl.runtime.exchanges import needs_others
from learnerdsl.runtime.shards import array_of, shard_of
from learnerdsl.runtime.work import Work


class CudaBackend:
    """Arrays on one CUDA device; see `Backend`.

    Args:
        parameters: name -> array.
        seen: name -> the shape in which its rule sees it, with as many elements.
        device: the device that they are on; found from their addresses by default.
    """

    name = "cuda"
    holds_gradients = False

    def __init__(
        self,
        parameters: dict[Name, Any],
        seen: Mapping[Name, tuple[int, ...]] | None = None,
        device: Device | None = None,
    ) -> None:
        self.shards = list(map(shard_of, parameters.values()))
        parameters = {name: array_of(array) for name, array in parameters.items()}
        self.parameters = parameters
        self.kinds, self.places = check_device_parameters(parameters)
        self.own_shapes = {name: place.shape for name, place in self.places.items()}
        pairs = zip(self.own_shapes.items(), self.shards, strict=True)
        self.shapes = {name: shard.shape if shard else shape for (name, shape), shard in pairs}
        if seen is not None:
            refuse_reshaped_parts(self.shards)
            self.shapes = self.own_shapes = dict(seen)
        ordinal = max(place.device for place in self.places.values())
        self.device = device or device_number(max(ordinal, 0))
        first = next(iter(parameters.values()))
        self.stream = functools.partial(stream_of, first, ordinal)
        self.allocate = allocator_beside(first)

    def check(
        self, what: str, states: Sequence[Span], takes_rows: bool = True
    ) -> DeviceGradientCheck:
        """Return a check of arrays against the parameters and the memory of the states."""
        types = None if takes_rows else [kind.arithmetic for kind in self.kinds]
        return DeviceGradientCheck(self.places, what, states, takes_rows, types)

    def on_host(self) -> list[np.ndarray]:
        """Return copies of the parameters as NumPy arrays."""
        found: list[np.ndarray] = []
        with self.device.activate():
            # Updates may have run on another stream than the current one.
            self.device.synchronize()
            for (name, place), kind in zip(self.places.items(), self.kinds, strict=True):
                found.append(np.empty(self.own_shapes[name], kind.numpy))
                self.device.download(found[-1], place.address, self.stream())
        return found

    def copies(self) -> list[np.ndarray]:
        """Return copies of the parameters as NumPy arrays."""
        return self.on_host()

    def write_parameters(self, values: Sequence[np.ndarray]) -> None:
        """Copy the values into the parameters."""
        with self.device.activate():
            own = zip(self.places.values(), self.kinds, values, strict=True)
            for place, kind, value in own:
                if value.size:
                    array = np.ascontiguousarray(value, kind.numpy)
                    self.device.upload(place.address, array, self.stream())
            self.device.synchronize()

    def like_parameters(self) -> list[np.ndarray]:
        """Return NumPy arrays with the parameters' shapes; broadcasting keeps them small."""
        zeros = {kind.name: np.zeros((), kind.numpy) for kind in self.kinds}
        own = zip(self.kinds, self.own_shapes.values(), strict=True)
        return [np.broadcast_to(zeros[kind.name], shape) for kind, shape in own]

    def from_host(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """Copy NumPy arrays to the device, in the parameters' shapes."""
        views: list[Any] = []
        with self.device.activate():
            own = map(np.ascontiguousarray, arrays)
            for array, place in zip(own, self.places.values(), strict=True):
                memory = self.device.allocate(array.nbytes)
                self.device.upload(memory.address, array, self.stream())
                view = DeviceView(self.device, memory, memory.address, place.shape, array.dtype)
                views.append(view)
        return views

    def engine(self, work: Work) -> Engine:
        """Return the engine that updates the parameters."""
        programs = compile_each(work, "cuda")
        places = [replace(p, shape=self.own_shapes[name]) for name, p in self.places.items()]

        def make(program: Program, own: list[int]) -> CudaEngine:
            part, held = work.only(own), [places[k] for k in own]
            engine = self._engine_of(program, part, held)
            if engine.matrix_stages:
                pairs = self.parameters.items()
                views = [as_view(engine, p, self.own_shapes[n]) for n, p in pairs]
                first = next(iter(self.parameters.values()))
                namespace = namespace_for(first, program.rule.name, program.precision.products)
                engine.use_library(namespace, [views[k] for k in own])
            return engine

        return engine_of(programs, make, CudaMixedEngine)

    def _engine_of(self, program: Program, work: Work, places: Sequence[Place]) -> CudaEngine:
        """Return the engine of a program, for whole tensors or for parts of them."""
        where = self.device, self.stream, self.allocate
        if any(work.shards):
            if needs_others(program) or work.check_finite:
                return ShardedCudaEngine(program, work, places, *where)
            work = replace(work, shapes=[place.shape for place in places])
        return CudaEngine(program, work, places, *where)
