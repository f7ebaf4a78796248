"""What the tests know about the builtin learners; each family of them has a module here.

A module may define these dicts, all by the name of a rule:

* `TRUSTED`: a function of parameters, gradients and hyperparameters of every step that runs the
  library which the rule must follow and gives the parameters after each step;
* `UNTRUSTED`: the reason why no library can judge the rule, but only its reference;
* `TOLERANCES`: (error allowed between reference and library, in parts of the step; why), where it
  is not 1e-9;
* `NO_ZEROS`: the reason why the library gives nonsense where a parameter or gradient is zero;
* `RANGES`: hyperparameter -> interval that the tests draw it from, where it is not the usual one;
* `TRAINING`: arguments with which the rule learns well, where a rate of 0.02 does not;
* `ROUNDING`: (factor, why), where the rounding of the kernel grows by more than is usual;
* `SHAPES`: a function from shapes that the tests try to the ones that the rule is made for;
* `PASSES`: number of passes over memory, where it is not 1;
* `SCALAR`: the mathematical reason why the rule's loops cannot be vectorised.
"""

import importlib
import pkgutil
from typing import Any


def _collect(kind: str) -> dict[str, Any]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {name: v for module in modules for name, v in getattr(module, kind, {}).items()}


TRUSTED = _collect("TRUSTED")
UNTRUSTED = _collect("UNTRUSTED")
TOLERANCES = _collect("TOLERANCES")
NO_ZEROS = _collect("NO_ZEROS")
RANGES = _collect("RANGES")
TRAINING = _collect("TRAINING")
PASSES = _collect("PASSES")
SCALAR = _collect("SCALAR")
SHAPES = _collect("SHAPES")
ROUNDING = _collect("ROUNDING")
