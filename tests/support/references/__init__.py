"""Update rules by hand, in float64 NumPy: what the compiled learners are measured against.

Each reference is written from the paper's formulas, with no symbols and nothing of the package
under test. `f(params, grads, state, t, **hyperparameters)` makes update number `t`, counted from
1: it changes the arrays of `params` in place and keeps what it needs in the dict `state`, which
it fills at `t == 1`. Every public function of a module of this package is the reference of the
rule with its name.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable


def _collect() -> dict[str, Callable[..., None]]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {
        name: function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


REFERENCES = _collect()
