"""Write an optimizer as SymPy expressions; run it as one fused kernel.

Public names are imported when they are first used, so that what needs few of them starts at once.
"""

from typing import TYPE_CHECKING, Any

from learnerdsl.lazily import attach

if TYPE_CHECKING:
    from learnerdsl import learners as learners
    from learnerdsl import schedules as schedules
    from learnerdsl import transforms as transforms
    from learnerdsl.check import CheckError as CheckError
    from learnerdsl.check import Report as Report
    from learnerdsl.check import check as check
    from learnerdsl.compose import Chain as Chain
    from learnerdsl.compose import Transform as Transform
    from learnerdsl.compose import chain as chain
    from learnerdsl.compose import fixed as fixed
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
    from learnerdsl.expr import all as all
    from learnerdsl.expr import any as any
    from learnerdsl.expr import cholesky as cholesky
    from learnerdsl.expr import clip as clip
    from learnerdsl.expr import count as count
    from learnerdsl.expr import diagonal as diagonal
    from learnerdsl.expr import diagonal_matrix as diagonal_matrix
    from learnerdsl.expr import eigenvalues as eigenvalues
    from learnerdsl.expr import eigenvectors as eigenvectors
    from learnerdsl.expr import equal as equal
    from learnerdsl.expr import first_columns as first_columns
    from learnerdsl.expr import identity as identity
    from learnerdsl.expr import inverse as inverse
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
    from learnerdsl.expr import put_rows as put_rows
    from learnerdsl.expr import samples as samples
    from learnerdsl.expr import sides as sides
    from learnerdsl.expr import size as size
    from learnerdsl.expr import solve as solve
    from learnerdsl.expr import solve_triangular as solve_triangular
    from learnerdsl.expr import step as step
    from learnerdsl.expr import sum as sum
    from learnerdsl.expr import take_rows as take_rows
    from learnerdsl.expr import top_rows as top_rows
    from learnerdsl.expr import trace as trace
    from learnerdsl.expr import transpose as transpose
    from learnerdsl.expr import tril as tril
    from learnerdsl.expr import triu as triu
    from learnerdsl.expr import where as where
    from learnerdsl.fit import RateSearch as RateSearch
    from learnerdsl.fit import lr_finder as lr_finder
    from learnerdsl.fit import minimize as minimize
    from learnerdsl.fit import minimize_method as minimize_method
    from learnerdsl.fit import plot as plot
    from learnerdsl.learner import Learner as Learner
    from learnerdsl.learner.history import History as History
    from learnerdsl.mixed import by_parameter as by_parameter
    from learnerdsl.orthogonal import orthogonalize as orthogonalize
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
    from learnerdsl.tracing import option as option
    from learnerdsl.tracing import shape as shape
    from learnerdsl.tracing import shared as shared
    from learnerdsl.tracing import state as state
    from learnerdsl.tracing import uniform as uniform

    # The functions of `learnerdsl.elementary.FUNCTIONS`, which a type checker does not see.
    def __getattr__(name: str) -> Any: ...


__version__ = "0.1.0"

_HOMES = {
    "learnerdsl.check": ("CheckError", "Report", "check"),
    "learnerdsl.compose": (
        "Chain",
        "Transform",
        "chain",
        "fixed",
        "renamed",
        "transform",
    ),
    "learnerdsl.define": ("UpdateRule", "compare", "rule"),
    "learnerdsl.errors": (
        "ArrayError",
        "CheckpointError",
        "DtypeError",
        "HyperparameterError",
        "InternalError",
        "LearnerError",
        "NonFiniteError",
        "OperandError",
        "PicklingError",
        "RuleError",
        "UnknownNameError",
    ),
    "learnerdsl.expr": (
        "all",
        "any",
        "cholesky",
        "clip",
        "count",
        "diagonal",
        "diagonal_matrix",
        "eigenvalues",
        "eigenvectors",
        "equal",
        "first_columns",
        "identity",
        "inverse",
        "inverse_root",
        "isfinite",
        "isnan",
        "matmul",
        "max",
        "maximum",
        "mean",
        "min",
        "minibatch_size",
        "minimum",
        "norm",
        "not_equal",
        "orthonormal",
        "pi",
        "prod",
        "put_rows",
        "samples",
        "sides",
        "size",
        "solve",
        "solve_triangular",
        "step",
        "sum",
        "take_rows",
        "top_rows",
        "trace",
        "transpose",
        "tril",
        "triu",
        "where",
    ),
    "learnerdsl.fit": ("RateSearch", "lr_finder", "minimize", "minimize_method", "plot"),
    "learnerdsl.learner": ("Learner",),
    "learnerdsl.learner.history": ("History",),
    "learnerdsl.mixed": ("by_parameter",),
    "learnerdsl.orthogonal": ("orthogonalize",),
    "learnerdsl.runtime.arrays.sparse": ("RowSparse",),
    "learnerdsl.runtime.cpu.threads": ("get_num_threads", "set_num_threads"),
    "learnerdsl.schedules": ("Schedule",),
    "learnerdsl.tracing": (
        "Rule",
        "assign",
        "combine",
        "evaluate",
        "extra",
        "let",
        "ndim",
        "normal",
        "only_when",
        "option",
        "shape",
        "shared",
        "state",
        "uniform",
    ),
}
"""Module -> the public names that it defines. Functions come from their table."""

_MODULES = {name: module for module, names in _HOMES.items() for name in names}
_PACKAGES = ("learners", "schedules", "transforms")

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__, _MODULES, _PACKAGES, ("learnerdsl.expr.functions", "ELEMENTARY")
    )
