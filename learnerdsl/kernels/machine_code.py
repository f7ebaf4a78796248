"""Numba's machine code, stored in files with a checksum.

Numba's own cache is not used: it finds no directory if neither the package nor the home directory
can be written, and it trusts the content of its files.
"""

import hashlib
import importlib.util
import pickle
import pkgutil
import platform
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import llvmlite
import numba
import numpy as np
from llvmlite import binding as llvm
from numba import njit
from numba.core import config
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from learnerdsl.errors import InternalError
from learnerdsl.forks import hold_across_forks
from learnerdsl.kernels import places

_settings: Any = config

KEPT_AS = "__learnerdsl_kept_as__"
"""Attribute of a generated module: the beginning of its file names, and the key of its text."""

compiling = threading.RLock()
"""The lock of compiling and loading, which one thread does at a time."""

# A fork waits for a running compilation, since the child could not finish it.
hold_across_forks(compiling)

_TABLES = ("learnerdsl.elementary", "learnerdsl.monoids")


def code_of(module: str) -> bytes:
    """Return the content of a module's source file, which may be in an archive."""
    spec: Any = importlib.util.find_spec(module)
    try:
        return spec.loader.get_data(spec.origin)
    except (AttributeError, OSError):  # the module is frozen into an executable
        return sys.executable.encode()


@lru_cache(maxsize=1)
def library_code() -> bytes:
    """Return the source of everything that generated files import."""
    package = __name__.rpartition(".")[0]
    found = sorted(module.name for module in pkgutil.iter_modules(sys.modules[package].__path__))
    modules = [*(f"{package}.{name}" for name in found), *_TABLES]
    return b"".join(map(code_of, modules))


@lru_cache(maxsize=1)
def toolchain() -> bytes:
    """Return everything other than the source that the machine code depends on."""
    versions = (sys.version, numba.__version__, llvmlite.__version__, np.__version__)
    target: Any = cpu_target.target_context
    settings = (int(_settings.OPT), _settings.USING_SVML)
    described = repr((versions, target.codegen().magic_tuple(), settings))
    return described.encode() + library_code()


def key_of(text: str) -> str:
    """Return a hash of everything that the machine code of a text depends on."""
    return hashlib.sha256(toolchain() + text.encode()).hexdigest()


@dataclass(frozen=True)
class Listing:
    """Machine code of one function as text.

    Attributes:
        assembly: the instructions.
        llvm: the optimised LLVM that they were made of.
    """

    assembly: str
    llvm: str

    @classmethod
    def of(cls, library: Any) -> "Listing":
        """Print what Numba has compiled in this process."""
        return cls(library.get_asm_str(), library.get_llvm_str())

    def pack(self) -> bytes:
        """Compress both texts, to about a fifth."""
        return zlib.compress(f"{self.assembly}\0{self.llvm}".encode())

    @classmethod
    def unpack(cls, content: bytes) -> "Listing":
        """Return the texts that `pack` has compressed."""
        return cls(*zlib.decompress(content).decode().split("\0"))


class KeptCode(NullCache):
    """Stores the machine code of a function for one signature, like one of Numba's caches.

    Args:
        function: the function to compile.
        stem: beginning of its file names.
        key: hash of everything that the machine code depends on.
        is_listed: whether to store the listing as well, which machine code cannot be turned into.
    """

    def __init__(
        self, function: Callable[..., Any], stem: str, key: str, is_listed: bool = False
    ) -> None:
        begin = f"{stem}.{places.file_name(function.__name__)}"
        self.name, self.listing = f"{begin}.nbc", f"{begin}.listing"
        self.lines = f"{begin}.lines"
        self.key = f"{key} {function.__name__}"
        self.is_listed = is_listed

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code, or None if it is not stored."""
        del sig
        target_context.refresh()
        content = places.kept_checked(self.name, self.key)
        return content and CompileResult._rebuild(target_context, *pickle.loads(content))

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Store the machine code, which must not contain addresses of this process."""
        del sig
        if cres.library.has_dynamic_globals:
            msg = f"the machine code of {self.name} holds for this process alone"
            raise InternalError(msg)
        places.keep_checked(self.name, self.key, dumps(cres._reduce()))
        if self.is_listed:
            self.save_listing(Listing.of(cres.library))

    def load_listing(self) -> Listing | None:
        """Return the listing, if it was kept."""
        content = places.kept_checked(self.listing, self.key)
        return None if content is None else Listing.unpack(content)

    def save_listing(self, listing: Listing) -> None:
        """Keep a listing beside the machine code."""
        places.keep_checked(self.listing, self.key, listing.pack())

    def load_lines(self) -> str | None:
        """Return the assembly with line numbers, if it was kept."""
        content = places.kept_checked(self.lines, self.key)
        return None if content is None else zlib.decompress(content).decode()

    def save_lines(self, assembly: str) -> None:
        """Keep the assembly with line numbers beside the machine code."""
        places.keep_checked(self.lines, self.key, zlib.compress(assembly.encode()))


@contextmanager
def widest_vectors() -> Iterator[None]:
    """Let LLVM choose the width of vectors by the narrowest type of a loop, not by the widest.

    Then a loop over float32 with a float64 sum has vectors as wide as one without: a sweep of LAMB
    takes 0.8 of the time. LLVM has one such option for the whole process, so Numba's lock is held
    until it is put back. It is set only where LLVM leaves it off by itself and knows it: an unknown
    option would end the process.
    """
    is_off = platform.machine().lower() in ("x86_64", "amd64")
    if not (is_off and llvm.llvm_version_info[0] in LLVM_WITH_MAXIMIZE_BANDWIDTH):
        yield
        return
    with global_compiler_lock:
        llvm.set_option("", "-vectorizer-maximize-bandwidth=true")
        try:
            yield
        finally:
            llvm.set_option("", "-vectorizer-maximize-bandwidth=false")


LLVM_WITH_MAXIMIZE_BANDWIDTH = range(14, 23)
"""The major versions of LLVM that the option was found in."""


def compile_c_function(
    function: Callable[..., None], signature: Any, options: dict[str, Any], cache: Any
) -> CFunc:
    """Compile a function that C code calls by its address; `cache` is a `KeptCode` or None."""
    compiled: Any = CFunc(function, normalize_signature(signature), {}, options)
    if cache is not None:
        compiled._cache = cache
    with widest_vectors():
        compiled.compile()
    return compiled


LINES: Any = {
    "debug": True,
    "boundscheck": False,
    "_dbg_optnone": False,
    "_dbg_extend_lifetimes": False,
}
"""Options of Numba for line numbers without the changes to the code that its debugging makes."""


def assembly_with_lines(
    function: Callable[..., None], signature: Any, options: dict[str, Any]
) -> str:
    """Compile a function again, with the lines of its source; return the assembly."""
    compiled: Any = CFunc(function, normalize_signature(signature), {}, {**options, **LINES})
    customize = compiled._compiler._customize_flags

    def only_lines(flags: Any) -> Any:
        """Leave out what describes variables, which keeps them in memory."""
        flags = customize(flags)
        flags.dbg_directives_only = True
        return flags

    compiled._compiler._customize_flags = only_lines
    with widest_vectors():
        compiled.compile()
    return compiled._library.get_asm_str()


def compile_function(
    function: Callable[..., Any], signature: str, options: dict[str, Any], cache: KeptCode
) -> Any:
    """Compile a function that Python calls, for one signature."""
    compiled: Any = njit(**options)(function)
    compiled._cache = cache
    compiled.compile(signature)
    compiled.disable_compile()
    return compiled
