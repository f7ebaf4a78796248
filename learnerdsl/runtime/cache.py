"""Generated kernels as real files: source text -> imported module, compiled or from disk.

The directory is `LEARNERDSL_CACHE_DIR`, else the platform's user cache. A file is named by the hash
of its text, of the versions that compile it and of the code it imports; it appears whole or not at
all, so processes may race. Numba keeps machine code beside it, and a manifest of checksums tells
whether that is what was written: anything else is thrown away and compiled again.
"""

import hashlib
import importlib.util
import json
import os
import sys
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import llvmlite
import numba
import numpy as np
import platformdirs

from learnerdsl.errors import InternalError
from learnerdsl.runtime import functions, kernel, random
from learnerdsl.runtime.files import write_atomically

VARIABLE = "LEARNERDSL_CACHE_DIR"
_IMPORTED_CODE = (Path(kernel.__file__), Path(functions.__file__), Path(random.__file__))


def directory() -> Path:
    """Where kernels are kept; created if need be, a temporary one if that cannot be written."""
    wanted = os.environ.get(VARIABLE) or platformdirs.user_cache_dir("learnerdsl")
    return _usable(wanted)


@lru_cache(maxsize=8)
def _usable(wanted: str) -> Path:
    path = Path(wanted)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path):
            pass
    except OSError as error:
        path = Path(tempfile.mkdtemp(prefix="learnerdsl-"))
        warnings.warn(
            f"Cannot write kernels to {wanted} ({error}); using {path} in this process. "
            f"Set {VARIABLE} to a directory that can be written.",
            RuntimeWarning,
            stacklevel=2,
        )
    return path


@lru_cache(maxsize=1)
def _toolchain() -> bytes:
    """What beside the text decides the machine code."""
    versions = (sys.version, numba.__version__, llvmlite.__version__, np.__version__)
    code = b"".join(path.read_bytes() for path in _IMPORTED_CODE)
    return repr(versions).encode() + code


_loaded: dict[Path, ModuleType] = {}


def load(name: str, source: str) -> ModuleType:
    """The module with this source text, imported from a file in the cache directory.

    Args:
        name: what the file is called, before the hash.
        source: Python text; the same text gives the same module.
    """
    digest = hashlib.sha256(_toolchain() + source.encode()).hexdigest()[:16]
    path = directory() / f"{name}-{digest}.py"
    if path not in _loaded:
        _write_once(path, source)
        _discard_damaged(path)
        try:
            module = _import(path)
        except Exception:
            # Whatever a damaged file makes Numba raise: without it, the kernel compiles.
            _discard(path)
            module = _import(path)
        _write_manifest(path)
        _loaded[path] = module
    return _loaded[path]


def _write_once(path: Path, source: str) -> None:
    """Make the file hold `source`. A correct one is left alone: Numba looks at its time stamp."""
    try:
        if path.read_text(encoding="utf-8") == source:
            return
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    _discard(path)
    write_atomically(path, source.encode())


def _import(path: Path) -> ModuleType:
    name = f"learnerdsl_kernel_{path.stem}".replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"cannot import {path}"
        raise InternalError(msg)
    module = importlib.util.module_from_spec(spec)
    # Numba finds the module of a function that it loads from disk by this name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _machine_code(path: Path) -> list[Path]:
    """Numba's files of this kernel, and Python's."""
    return sorted((path.parent / "__pycache__").glob(f"{path.stem}.*"))


def _checksums(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in _machine_code(path):
        if file.suffix in (".nbi", ".nbc"):
            try:
                found[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
            except FileNotFoundError:  # another process is replacing it
                found[file.name] = ""
    return found


def _write_manifest(path: Path) -> None:
    found = json.dumps(_checksums(path), indent=1).encode()
    target = _manifest(path)
    try:
        if target.read_bytes() == found:
            return
    except FileNotFoundError:
        pass
    write_atomically(target, found)


def _discard_damaged(path: Path) -> None:
    """Remove machine code that differs from what was written."""
    try:
        expected = json.loads(_manifest(path).read_bytes())
    except (FileNotFoundError, ValueError):
        expected = None
    if expected != _checksums(path):
        _discard(path)


def _discard(path: Path) -> None:
    for file in (*_machine_code(path), _manifest(path)):
        file.unlink(missing_ok=True)
