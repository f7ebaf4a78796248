"""Compile Python functions to PTX without a GPU or a driver, or for Numba's CUDA simulator."""

import contextlib
import functools
import hashlib
import importlib
import os
import re
import shutil
import subprocess
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
"""The major and minor version of a compute capability, such as (9, 0)."""

BLOCKS = 2
"""Number of blocks that a multiprocessor must be able to hold at once. With 256 threads each, this
leaves 128 registers for a thread. Adam uses 78, so three blocks fit and have 48 kB of loads in
flight; with a limit of 64 or 80 registers, most rules would spill some."""


def device(function: Callable[..., Any]) -> Any:
    """Mark a function that kernels call.

    Numba inlines it before it compiles the kernel. If it compiled the function separately, it would
    ask the driver for a GPU.
    """
    if SIMULATED:
        return function
    return _numba.jit(device=True, inline="always")(function)


class CudaKernel:
    """A function that every thread of a grid runs.

    Args:
        source: the written or generated function, which gives the kernel its name.
        run: function of a tuple of 64-bit integers, most of them addresses.
        words: number of these integers.
        threads: number of threads of a block.
        by: what the grid is divided by: "chunk" or "tensor" (a block for each), "tensors" or
            "group" (a thread for each); empty if the caller chooses the grid otherwise.
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
        """Return the kernel for Numba's simulator."""
        return _numba.jit(self.run)

    def ptx(self, capability: Capability) -> str:
        """Return the PTX for GPUs of this compute capability and later ones."""
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
        """Return a hash of all that the PTX depends on: source, imports and compilers."""
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
        """Return the machine code for GPUs of this compute capability.

        NVIDIA's linker makes it, so that it also runs on a driver older than the compiler, as long
        as both have the same CUDA major version.
        """
        core: Any = importlib.import_module("cuda.core")
        if not hasattr(core, "Linker"):
            # A version from before its interface was final; the driver can link, too.
            return self.ptx(capability).encode() + b"\0"
        name = self._file(capability, "cubin")
        code = places.kept_checked(name, self.digest)
        if code is None:
            options = core.LinkerOptions(arch=f"sm_{_digits(capability)}")
            text = core.ObjectCode.from_ptx(self.ptx(capability).encode())
            code = bytes(core.Linker(text, options=options).link("cubin").code)
            places.keep_checked(name, self.digest, code)
        return code

    def assembler_report(self, capability: Capability) -> str | None:
        """Return what NVIDIA's assembler says about the kernel; None if it is not installed.

        It is the one in nvJitLink, or else the command `ptxas`.
        """
        core: Any = importlib.import_module("cuda.core")
        name, text = f"sm_{_digits(capability)}", self.ptx(capability).encode()
        if hasattr(core, "Linker") and core.Linker.which_backend().lower() == "nvjitlink":
            options = core.LinkerOptions(arch=name, ptxas_options=["-v"])
            linker = core.Linker(core.ObjectCode.from_ptx(text), options=options)
            linker.link("cubin")
            return linker.get_info_log()
        command = shutil.which("ptxas")
        if command is None:
            return None
        call = [command, "-v", f"-arch={name}", "-", "-o", os.devnull]
        done = subprocess.run(call, input=text, capture_output=True, check=False)
        return done.stderr.decode() if done.returncode == 0 else None

    def _file(self, capability: Capability, kind: str) -> str:
        """Return the file name of a product of the kernel for a compute capability."""
        name = places.file_name(self.name)
        return f"{name}-{self.digest[:16]}.sm_{_digits(capability)}.{kind}"


def _readable(ptx: str, name: str) -> str:
    """Return the PTX with the kernel's own name.

    Numba's names contain types, and numbers that differ between processes.
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
