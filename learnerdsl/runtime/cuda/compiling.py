"""Python function -> PTX, without a GPU or a driver; or a kernel of Numba's CUDA simulator."""

import functools
import importlib
import re
from collections.abc import Callable
from typing import Any

from numba import cuda, types

from learnerdsl.runtime.cuda import SIMULATED

_numba: Any = cuda

Capability = tuple[int, int]
"""Major and minor number of a compute capability, such as (9, 0)."""

BLOCKS = 4
"""Blocks that a multiprocessor should hold at once: with 256 threads each, that leaves 64 registers
to a thread, and keeps 1,024 threads loading."""


def device(function: Callable[..., Any]) -> Any:
    """A function for kernels to call.

    It becomes part of them before anything is compiled: a device function that is compiled by
    itself would ask the driver which GPU there is.
    """
    if SIMULATED:
        return function
    return _numba.jit(device=True, inline="always")(function)


class CudaKernel:
    """A function that every thread of a grid runs.

    Args:
        name: what it is called in listings and PTX.
        run: function of a tuple of whole numbers of 64 bits, most of them addresses.
        words: how many those are.
        threads: of a block.
        by: what its blocks share among them: "chunk", "tensor", "tensors" (a thread for each),
            "group", or nothing that the caller has to know.
    """

    def __init__(
        self, name: str, run: Callable[..., None], words: int, threads: int, by: str = ""
    ) -> None:
        run.__name__ = run.__qualname__ = name
        self.name = name
        self.run = run
        self.words = words
        self.threads = threads
        self.by = by
        self.compiled: dict[Capability, str] = {}

    @functools.cached_property
    def simulated(self) -> Any:
        """The kernel of Numba's simulator."""
        return _numba.jit(self.run)

    def ptx(self, capability: Capability) -> str:
        """The assembly for GPUs of this compute capability and later ones."""
        if capability not in self.compiled:
            signature = types.void(types.UniTuple(types.int64, self.words))
            text, _ = _numba.compile(
                self.run,
                signature,
                device=False,
                abi="numba",
                cc=capability,
                launch_bounds=(self.threads, BLOCKS),
            )
            self.compiled[capability] = _readable(text, self.name)
        return self.compiled[capability]

    def cubin(self, capability: Capability) -> bytes:
        """The machine code for GPUs of this compute capability.

        NVIDIA's linker makes it, so a driver that is older than the compiler runs it as long as
        both are of one CUDA major version.
        """
        core: Any = importlib.import_module("cuda.core")
        options = core.LinkerOptions(arch="sm_{}{}".format(*capability))
        code = core.ObjectCode.from_ptx(self.ptx(capability).encode())
        return core.Linker(code, options=options).link("cubin").code


def _readable(ptx: str, name: str) -> str:
    """The assembly with the kernel under its own name, not one that Numba makes of its types."""
    (mangled,) = re.findall(r"\.entry ([\w$]+)", ptx)
    return ptx.replace(mangled, name)
