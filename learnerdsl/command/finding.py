"""Import the rules that a command line names."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from learnerdsl import chain, learners, transforms
from learnerdsl.command.names import JOIN, is_builtin
from learnerdsl.compose import Transform
from learnerdsl.define import UpdateRule
from learnerdsl.errors import LearnerError, MissingFileError, UnknownNameError, suggestion


def found(name: str) -> UpdateRule | Transform:
    """Return what a name means.

    Args:
        name: of a builtin; `FILE.py:rule` (or `FILE.py` if the file has one rule); `module:rule`;
            or several of them with "+" between them, which makes a chain.

    Raises:
        LearnerError: there is no such rule, or importing the file or module fails.
    """
    is_one = JOIN not in name or Path(name.partition(":")[0]).exists()
    if not is_one:
        return chain(*(_one(part) for part in name.split(JOIN)))
    return _one(name)


def _one(name: str) -> UpdateRule | Transform:
    if is_builtin(name):
        return getattr(learners if hasattr(learners, name) else transforms, name)
    place, _, own = name.rpartition(":")
    if not place and name.endswith(".py"):
        place, own = name, ""
    module = _of_file(Path(place)) if place.endswith(".py") else _of_name(place)
    rules = {n: v for n, v in vars(module).items() if isinstance(v, (UpdateRule, Transform))}
    defined = {n: v for n, v in rules.items() if getattr(v, "__module__", "") == module.__name__}
    if not own and len(defined) == 1:
        return next(iter(defined.values()))
    if own in rules:
        return rules[own]
    if not defined:
        msg = f"{place} defines no rule; write @learnerdsl.rule above a function of (p, g, ...)."
        raise UnknownNameError(msg)
    if not own:
        msg = f"{place} defines {', '.join(defined)}; write {place}:{next(iter(defined))} for one."
        raise UnknownNameError(msg)
    hint = suggestion(own, defined) or f"it defines {', '.join(defined)}."
    msg = f"{place} has no rule {own!r}; {hint}"
    raise UnknownNameError(msg)


def _of_file(path: Path) -> ModuleType:
    """Run a file as a module of its name, as Python does with a script: it finds its neighbours."""
    if not path.is_file():
        msg = f"There is no file {path}."
        raise MissingFileError(msg)
    _search(path.parent)
    known = sys.modules.get(path.stem)
    if known is not None and _is_from(known, path):
        return known
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        msg = f"{path} is no Python file."
        raise LearnerError(msg)
    module = importlib.util.module_from_spec(spec)
    if known is None:
        # So that a rule of the file can be found by its name, for example by pickle.
        sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        if known is None:
            del sys.modules[path.stem]
        raise _failed(str(path), error) from error
    return module


def _is_from(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path.resolve()


def _of_name(name: str) -> ModuleType:
    """Import a module; the working directory counts, as with `python -m`."""
    _search(Path.cwd())
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise _failed(name, error) from error


def _search(folder: Path) -> None:
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)


def _failed(what: str, error: Exception) -> LearnerError:
    if isinstance(error, LearnerError):
        return error
    line: Any = error.__traceback__
    while line is not None and line.tb_next is not None:
        line = line.tb_next
    where = f", line {line.tb_lineno} of {line.tb_frame.f_code.co_filename}" if line else ""
    return LearnerError(f"Importing {what} failed: {type(error).__name__}: {error}{where}.")
