"""Machine code of Numba, kept in files that carry a checksum.

Numba's own cache looks for a place by rules of its own, which find none where neither the package
nor the home directory can be written, and it trusts what it finds there.
"""

import hashlib
import importlib.util
import os
import pickle
import pkgutil
import sys
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import llvmlite
import numba
import numpy as np
from numba import njit
from numba.core import config
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from learnerdsl.errors import InternalError
from learnerdsl.kernels import places

_settings: Any = config

KEPT_AS = "__learnerdsl_kept_as__"
"""Attribute of a generated module: how names of its files begin, and the key of its text."""

compiling = threading.RLock()
"""One thread at a time compiles and loads."""

if hasattr(os, "register_at_fork"):
    # A child could not go on with what another thread has half compiled, so a fork waits for it.
    os.register_at_fork(
        before=compiling.acquire,
        after_in_parent=compiling.release,
        after_in_child=compiling.release,
    )


_TABLES = ("learnerdsl.elementary", "learnerdsl.monoids")


def code_of(module: str) -> bytes:
    """Return the content of a module's file, also of one in an archive."""
    spec: Any = importlib.util.find_spec(module)
    try:
        return spec.loader.get_data(spec.origin)
    except (AttributeError, OSError):  # frozen into an executable
        return sys.executable.encode()


@lru_cache(maxsize=1)
def library_code() -> bytes:
    """Return the source of all that generated files import: this package, and its tables."""
    package = __name__.rpartition(".")[0]
    found = sorted(module.name for module in pkgutil.iter_modules(sys.modules[package].__path__))
    modules = [*(f"{package}.{name}" for name in found), *_TABLES]
    return b"".join(map(code_of, modules))


@lru_cache(maxsize=1)
def toolchain() -> bytes:
    """Return everything other than a text that its machine code depends on."""
    versions = (sys.version, numba.__version__, llvmlite.__version__, np.__version__)
    target: Any = cpu_target.target_context
    settings = (int(_settings.OPT), _settings.USING_SVML)
    described = repr((versions, target.codegen().magic_tuple(), settings))
    return described.encode() + library_code()


def key_of(text: str) -> str:
    """A hash of all that decides the machine code of a text."""
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
    """Keeps the machine code of one function that has one signature, as Numba's caches do.

    Args:
        function: what is compiled.
        stem: how names of files begin.
        key: a hash of all that decides the machine code.
        is_listed: whether to keep the listing as well, which cannot be made of machine code.
    """

    def __init__(
        self, function: Callable[..., Any], stem: str, key: str, is_listed: bool = False
    ) -> None:
        begin = f"{stem}.{places.file_name(function.__name__)}"
        self.name, self.listing = f"{begin}.nbc", f"{begin}.listing"
        self.key = f"{key} {function.__name__}"
        self.is_listed = is_listed

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code, if it was kept."""
        del sig
        target_context.refresh()
        content = places.kept_checked(self.name, self.key)
        return content and CompileResult._rebuild(target_context, *pickle.loads(content))

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Keep it; it must not hold addresses of this process."""
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


def compile_c_function(
    function: Callable[..., None], signature: Any, options: dict[str, Any], cache: Any
) -> CFunc:
    """A function that C code calls by its address; `cache` is a `KeptCode`, or None."""
    compiled: Any = CFunc(function, normalize_signature(signature), {}, options)
    if cache is not None:
        compiled._cache = cache
    compiled.compile()
    return compiled


def compile_function(
    function: Callable[..., Any], signature: str, options: dict[str, Any], cache: KeptCode
) -> Any:
    """A function that Python calls, compiled for one signature."""
    compiled: Any = njit(**options)(function)
    compiled._cache = cache
    compiled.compile(signature)
    compiled.disable_compile()
    return compiled
