"""Generated kernels as real files: source text -> module, compiled or from disk.

A file is named by the hash of its text, of the versions that compile it and of the code it imports;
it appears whole or not at all, so processes may race. What runs is the text in memory, whatever the
file holds by then; machine code lies beside the file and carries a checksum.
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
"""The directory of texts that no directory takes."""

_loaded: dict[Path, ModuleType] = {}


def load(name: str, source: str) -> ModuleType:
    """The module with this source text, which a file in the cache directory shows.

    Args:
        name: what the file is called, before the hash.
        source: Python text; the same text gives the same module.
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
    """Make a file hold `source`, and leave alone one that does; where it is."""
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
    """Run the text as a module. Python's own import would trust the `.pyc` file that it keeps."""
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
