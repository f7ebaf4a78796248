"""Write an optimizer as SymPy expressions; run it as one fused kernel."""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from learnerdsl import schedules as schedules
from learnerdsl.check import CheckError as CheckError
from learnerdsl.check import Report as Report
from learnerdsl.check import check as check
from learnerdsl.compose import Chain as Chain
from learnerdsl.compose import Transform as Transform
from learnerdsl.compose import chain as chain
from learnerdsl.compose import renamed as renamed
from learnerdsl.compose import transform as transform
from learnerdsl.define import UpdateRule as UpdateRule
from learnerdsl.define import compare as compare
from learnerdsl.define import rule as rule
from learnerdsl.errors import ArrayError as ArrayError
from learnerdsl.errors import CheckpointError as CheckpointError
from learnerdsl.errors import DtypeError as DtypeError
from learnerdsl.errors import HyperparameterError as HyperparameterError
from learnerdsl.errors import InternalError as InternalError
from learnerdsl.errors import LearnerError as LearnerError
from learnerdsl.errors import NonFiniteError as NonFiniteError
from learnerdsl.errors import OperandError as OperandError
from learnerdsl.errors import PicklingError as PicklingError
from learnerdsl.errors import RuleError as RuleError
from learnerdsl.errors import UnknownNameError as UnknownNameError
from learnerdsl.expr import ELEMENTARY as _ELEMENTARY
from learnerdsl.expr import all as all
from learnerdsl.expr import any as any
from learnerdsl.expr import clip as clip
from learnerdsl.expr import count as count
from learnerdsl.expr import eigenvectors as eigenvectors
from learnerdsl.expr import equal as equal
from learnerdsl.expr import identity as identity
from learnerdsl.expr import inverse_root as inverse_root
from learnerdsl.expr import isfinite as isfinite
from learnerdsl.expr import isnan as isnan
from learnerdsl.expr import matmul as matmul
from learnerdsl.expr import max as max
from learnerdsl.expr import maximum as maximum
from learnerdsl.expr import mean as mean
from learnerdsl.expr import min as min
from learnerdsl.expr import minibatch_size as minibatch_size
from learnerdsl.expr import minimum as minimum
from learnerdsl.expr import norm as norm
from learnerdsl.expr import not_equal as not_equal
from learnerdsl.expr import orthonormal as orthonormal
from learnerdsl.expr import pi as pi
from learnerdsl.expr import prod as prod
from learnerdsl.expr import samples as samples
from learnerdsl.expr import size as size
from learnerdsl.expr import step as step
from learnerdsl.expr import sum as sum
from learnerdsl.expr import transpose as transpose
from learnerdsl.expr import where as where
from learnerdsl.learner import Learner as Learner
from learnerdsl.mixed import by_parameter as by_parameter
from learnerdsl.runtime.arrays.sparse import RowSparse as RowSparse
from learnerdsl.runtime.cpu.threads import get_num_threads as get_num_threads
from learnerdsl.runtime.cpu.threads import set_num_threads as set_num_threads
from learnerdsl.schedules import Schedule as Schedule
from learnerdsl.tracing import Rule as Rule
from learnerdsl.tracing import assign as assign
from learnerdsl.tracing import combine as combine
from learnerdsl.tracing import evaluate as evaluate
from learnerdsl.tracing import extra as extra
from learnerdsl.tracing import let as let
from learnerdsl.tracing import ndim as ndim
from learnerdsl.tracing import normal as normal
from learnerdsl.tracing import only_when as only_when
from learnerdsl.tracing import shape as shape
from learnerdsl.tracing import shared as shared
from learnerdsl.tracing import state as state
from learnerdsl.tracing import uniform as uniform

__version__ = "0.1.0"

globals().update(_ELEMENTARY)  # abs, acos, ...: every row of learnerdsl.elementary.FUNCTIONS

if _TYPE_CHECKING:
    # The functions of that table, which a type checker does not see.
    def __getattr__(name: str) -> _Any: ...


def __dir__() -> list[str]:
    """List the public names, without the packages that the library is made of."""
    module = type(schedules)
    return sorted(
        name
        for name, value in globals().items()
        if name == "__version__"
        or not (name.startswith("_") or isinstance(value, module))
        or value is schedules
    )
