"""Name the arrays of nested containers by their paths, such as "layers.0.weight", and back.

Containers are dicts, lists, tuples, named tuples and dataclasses. What has a `shape` is an array.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from learnerdsl.errors import ArrayError


def flattened(given: Any) -> Any:
    """Return path -> array for nested arrays; anything else as it is.

    Arrays in one dict, or in one list or tuple, are not nested.

    Raises:
        ArrayError: two arrays have the same path.
    """
    if not is_nested(given):
        return given
    found: dict[str, Any] = {}
    for path, leaf in _leaves(given, ""):
        if path in found:
            msg = f"Two arrays have the path {path!r}; a key with a dot is like a key in a dict."
            raise ArrayError(msg)
        found[path] = leaf
    return found


def is_nested(given: Any) -> bool:
    """Return whether arrays lie in containers that lie in a container, or in a record."""
    children = _children(given)
    if children is None:
        return False
    is_plain = isinstance(given, (Mapping, list)) or type(given) is tuple
    if is_plain and not any(_holds_arrays(child) for _, child in children):
        return False
    return _holds_arrays(given)


def paths_of(given: Any) -> dict[str, Any]:
    """Return path -> array of a container of arrays, nested or not."""
    return dict(_leaves(given, ""))


def rebuilt_with(template: Any, arrays: Mapping[str, Any], path: str = "") -> Any:
    """Return a container like `template` with other arrays: path -> array."""
    children = None if path in arrays else _children(template)
    if children is None:
        return arrays.get(path, template)
    new = {key: rebuilt_with(child, arrays, _joined(path, key)) for key, child in children}
    kind: Any = type(template)
    if isinstance(template, Mapping):
        return dict(new)
    if dataclasses.is_dataclass(template) and not isinstance(template, type):
        return dataclasses.replace(template, **new)
    if hasattr(template, "_fields"):
        return kind(*new.values())
    return kind(new.values())


def _children(given: Any) -> list[tuple[Any, Any]] | None:
    """Return the (key, child) pairs of a container; None if it is none."""
    if hasattr(given, "shape"):
        return None
    if isinstance(given, Mapping):
        return list(given.items())
    if dataclasses.is_dataclass(given) and not isinstance(given, type):
        return [(f.name, getattr(given, f.name)) for f in dataclasses.fields(given) if f.init]
    if isinstance(given, (list, tuple)):
        return list(zip(getattr(given, "_fields", range(len(given))), given, strict=True))
    return None


def _holds_arrays(given: Any) -> bool:
    children = _children(given)
    if children is None:
        return False
    return any(hasattr(child, "shape") or _holds_arrays(child) for _, child in children)


def _leaves(given: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, leaf); a container without arrays is a leaf, unless it is empty or a record."""
    children = _children(given)
    if children is None:
        yield path, given
        return
    for key, child in children:
        own = _joined(path, key)
        if _holds_arrays(child):
            yield from _leaves(child, own)
        elif hasattr(child, "shape") or not (_children(child) == [] or _is_setting(given)):
            yield own, child


def _is_setting(given: Any) -> bool:
    """Return whether what has no array in a container is a setting: in a dataclass."""
    return dataclasses.is_dataclass(given)


def _joined(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
