"""Load the source text of kernels as modules, with a file on disk for each.

The name of a file contains a hash of its text, of the versions that compile it and of the code that
it imports. Files are written atomically, so processes may race. The module always runs the text in
memory, even if the file was changed; machine code is stored next to the file, with a checksum.
"""

import linecache
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from numba import config

from learnerdsl.kernels import places
from learnerdsl.kernels.machine_code import KEPT_AS, compiling, key_of
from learnerdsl.runtime.cpu.stepping import with_floats_of_numpy

_settings: Any = config
_RUNS_AS_PYTHON = _settings.DISABLE_JIT or _settings.ENABLE_CUDASIM

_NOWHERE = Path("<learnerdsl>")
"""The directory in the file names of texts that could not be written to disk."""

_loaded: dict[Path, ModuleType] = {}


def load(name: str, source: str) -> ModuleType:
    """Return the module with this source text, and write the text to the cache directory.

    Args:
        name: beginning of the file name, before the hash.
        source: Python text; the same text always gives the same module.
    """
    key = key_of(source)
    stem = f"{places.file_name(name)}-{key[:16]}"
    with compiling:
        path = (places.directory() or _NOWHERE) / f"{stem}.py"
        if path not in _loaded:
            path = _write_once(path, source)
            _loaded[path] = _execute(path, source, key)
        return _loaded[path]


def _write_once(path: Path, source: str) -> Path:
    """Write `source` to a file, unless it holds that already; return its path.

    If no directory can be written, `linecache` holds the text, so that tracebacks show it.
    """
    content = source.encode()
    try:
        if path.read_bytes() == content:
            return path
    except OSError:
        pass
    kept = places.keep(path.name, content)
    if kept is not None:
        return kept
    path = _NOWHERE / path.name
    lines = source.splitlines(keepends=True)
    linecache.cache[str(path)] = (len(source), None, lines, str(path))
    return path


def _execute(path: Path, source: str, key: str) -> ModuleType:
    """Run the text as a module.

    Python's own import is not used, as it would trust a `.pyc` file on disk.
    """
    module = ModuleType(f"learnerdsl_kernel_{path.stem}".replace("-", "_"))
    module.__file__ = str(path)
    setattr(module, KEPT_AS, (path.stem, key))
    # Numba finds the module of a function that it loads from disk by this name.
    sys.modules[module.__name__] = module
    text = with_floats_of_numpy(source) if _RUNS_AS_PYTHON else source
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), vars(module))
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module
