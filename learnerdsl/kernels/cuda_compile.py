"""Python function -> PTX, without a GPU or a driver; or a kernel of Numba's CUDA simulator."""

import contextlib
import functools
import hashlib
import importlib
import re
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numba
from numba import cuda, types

from learnerdsl.kernels import places
from learnerdsl.kernels.machine_code import KEPT_AS, code_of, library_code
from learnerdsl.kernels.simulator import SIMULATED

_numba: Any = cuda

Capability = tuple[int, int]
"""Major and minor number of a compute capability, such as (9, 0)."""

BLOCKS = 2
"""Blocks that a multiprocessor must be able to hold at once: with 256 threads each, that leaves 128
registers to a thread. Adam takes 78, so that three blocks fit and have 48 kB on their way; with a
limit of 64 or 80 registers most rules would spill some."""


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
        source: function that was written or generated; it gives the kernel its name.
        run: function of a tuple of whole numbers of 64 bits, most of them addresses.
        words: how many those are.
        threads: of a block.
        by: what its blocks share among them: "chunk", "tensor", "tensors" (a thread for each),
            "group", or nothing that the caller has to know.
    """

    def __init__(
        self,
        source: Callable[..., None],
        run: Callable[..., None],
        words: int,
        threads: int,
        by: str = "",
    ) -> None:
        self.name = source.__name__
        run.__name__ = run.__qualname__ = self.name
        self.source = source
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
            name = self._file(capability, "ptx")
            found = places.kept_checked(name, self.digest)
            if found is None:
                found = self._compile(capability).encode()
                places.keep_checked(name, self.digest, found)
            self.compiled[capability] = found.decode()
        return self.compiled[capability]

    @functools.cached_property
    def digest(self) -> str:
        """What decides the assembly: the file of the function, what it imports, the compilers."""
        own = self.source.__globals__.get(KEPT_AS) or code_of(self.source.__module__)
        name = f"{own!r} {self.name}"
        return hashlib.sha256(_toolchain() + name.encode()).hexdigest()

    def _compile(self, capability: Capability) -> str:
        signature = types.void(types.UniTuple(types.int64, self.words))
        text, _ = _numba.compile(
            self.run,
            signature,
            device=False,
            abi="numba",
            cc=capability,
            launch_bounds=(self.threads, BLOCKS),
        )
        return _readable(text, self.name)

    def cubin(self, capability: Capability) -> bytes:
        """The machine code for GPUs of this compute capability.

        NVIDIA's linker makes it, so a driver that is older than the compiler runs it as long as
        both are of one CUDA major version.
        """
        core: Any = importlib.import_module("cuda.core")
        if not hasattr(core, "Linker"):
            # Of a time before NVIDIA had settled its interface; the driver can link, too.
            return self.ptx(capability).encode() + b"\0"
        name = self._file(capability, "cubin")
        code = places.kept_checked(name, self.digest)
        if code is None:
            options = core.LinkerOptions(arch=f"sm_{_digits(capability)}")
            text = core.ObjectCode.from_ptx(self.ptx(capability).encode())
            code = bytes(core.Linker(text, options=options).link("cubin").code)
            places.keep_checked(name, self.digest, code)
        return code

    def _file(self, capability: Capability, kind: str) -> str:
        """What something of the kernel for a compute capability is called."""
        name = places.file_name(self.name)
        return f"{name}-{self.digest[:16]}.sm_{_digits(capability)}.{kind}"


def _readable(ptx: str, name: str) -> str:
    """The assembly with the kernel under its own name.

    Numba's names have types in them, and numbers that are others in each process.
    """
    (mangled,) = re.findall(r"\.entry ([\w$]+)", ptx)
    ptx = ptx.replace(mangled, name)
    for kind, pattern in (("environment", r"_ZN08NumbaEnv[\w$]+"), ("shared", r"_cudapy_smem_\d+")):
        found = dict.fromkeys(re.findall(rf"\b{pattern}", ptx))
        numbers = {old: f"{kind}_{number}" for number, old in enumerate(found)}
        ptx = re.sub(rf"\b{pattern}", lambda match, new=numbers: new[match[0]], ptx)
    return ptx


def _digits(capability: Capability) -> str:
    return "{}{}".format(*capability)


@functools.lru_cache(maxsize=1)
def _toolchain() -> bytes:
    """Return everything other than a kernel's text that its assembly depends on."""
    versions = [sys.version, numba.__version__]
    for package in ("numba-cuda", "nvidia-nvvm", "nvidia-cuda-nvcc", "nvidia-nvjitlink"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append(f"{package} {metadata.version(package)}")
    return repr(versions).encode() + library_code()
