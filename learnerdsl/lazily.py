"""Import the public names of a package when they are first used (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """A package in which a public name wins over a module of the same name.

    The import system sets `learnerdsl.check` to the module, after it has loaded the module. The
    name belongs to what the module defines.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        home = vars(self).get("_MODULES", {}).get(name)
        if isinstance(value, ModuleType) and value.__name__ == home:
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        """Pickle by name: picklers by value know how to treat plain modules alone."""
        return importlib.import_module, (self.__name__,)


def attach(
    package: str, modules: Mapping[str, str], packages: Iterable[str], table: tuple[str, str]
) -> tuple[Any, Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package.

    Args:
        package: its name.
        modules: public name -> the module that defines it.
        packages: names of packages in it that are public.
        table: a module and its dict of more public names, name -> value.
    """
    namespace = vars(sys.modules[package])
    sys.modules[package].__class__ = _Package

    def tabled() -> dict[str, Any]:
        return getattr(importlib.import_module(table[0]), table[1])

    def listed() -> list[str]:
        """List the public names, without the modules that the library is made of."""
        return sorted({"__version__", *modules, *packages, *tabled()})

    def found(name: str) -> Any:
        """Import a public name."""
        if name in packages:
            return importlib.import_module(f"{package}.{name}")
        if name == "__all__":
            return [public for public in listed() if public != "__version__"]
        if name in modules:
            value = getattr(importlib.import_module(modules[name]), name)
        elif not name.startswith("_") and name in tabled():
            value = tabled()[name]
        else:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg, name=name, obj=sys.modules[package])
        namespace[name] = value
        return value

    return found, listed
