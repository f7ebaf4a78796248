"""The symbols and functions that a rule may use; all expressions are nodes of SymPy.

A rule describes the update of one element of one parameter. The compiler finds out which values are
the same for a whole tensor or for the whole model. Every symbol is real, so `sympy.diff`, `subs`,
`simplify` and `latex` simplify what they can.
"""

from typing import TYPE_CHECKING, Any

from learnerdsl.expr.adopting import adopted as adopted
from learnerdsl.expr.adopting import rebuilt as rebuilt
from learnerdsl.expr.constants import constant_value as constant_value
from learnerdsl.expr.constants import evaluated as evaluated
from learnerdsl.expr.constants import is_constant as is_constant
from learnerdsl.expr.constants import vanishes as vanishes
from learnerdsl.expr.functions import ELEMENTARY as ELEMENTARY
from learnerdsl.expr.functions import Draw as Draw
from learnerdsl.expr.functions import NormalDraw as NormalDraw
from learnerdsl.expr.functions import UniformDraw as UniformDraw
from learnerdsl.expr.functions import clip as clip
from learnerdsl.expr.functions import equal as equal
from learnerdsl.expr.functions import expression as expression
from learnerdsl.expr.functions import isfinite as isfinite
from learnerdsl.expr.functions import isnan as isnan
from learnerdsl.expr.functions import maximum as maximum
from learnerdsl.expr.functions import minimum as minimum
from learnerdsl.expr.functions import not_equal as not_equal
from learnerdsl.expr.functions import pi as pi
from learnerdsl.expr.functions import where as where
from learnerdsl.expr.graph import brief as brief
from learnerdsl.expr.graph import has as has
from learnerdsl.expr.graph import mapped as mapped
from learnerdsl.expr.graph import nodes as nodes
from learnerdsl.expr.graph import replaced as replaced
from learnerdsl.expr.graph import size_and_depth as size_and_depth
from learnerdsl.expr.graph import symbols_in as symbols_in
from learnerdsl.expr.graph import uses as uses
from learnerdsl.expr.matrices import Eigenvectors as Eigenvectors
from learnerdsl.expr.matrices import Filled as Filled
from learnerdsl.expr.matrices import Identity as Identity
from learnerdsl.expr.matrices import InverseRoot as InverseRoot
from learnerdsl.expr.matrices import MatMul as MatMul
from learnerdsl.expr.matrices import MatrixFunction as MatrixFunction
from learnerdsl.expr.matrices import MatrixLeaf as MatrixLeaf
from learnerdsl.expr.matrices import MatrixReduction as MatrixReduction
from learnerdsl.expr.matrices import Misfit as Misfit
from learnerdsl.expr.matrices import Orthonormal as Orthonormal
from learnerdsl.expr.matrices import Transpose as Transpose
from learnerdsl.expr.matrices import eigenvectors as eigenvectors
from learnerdsl.expr.matrices import filled as filled
from learnerdsl.expr.matrices import identity as identity
from learnerdsl.expr.matrices import inverse_root as inverse_root
from learnerdsl.expr.matrices import matmul as matmul
from learnerdsl.expr.matrices import orthonormal as orthonormal
from learnerdsl.expr.matrices import scaled_product as scaled_product
from learnerdsl.expr.matrices import sides_of as sides_of
from learnerdsl.expr.matrices import sides_of_own as sides_of_own
from learnerdsl.expr.matrices import transpose as transpose
from learnerdsl.expr.nodes import And as And
from learnerdsl.expr.nodes import Comparison as Comparison
from learnerdsl.expr.nodes import Condition as Condition
from learnerdsl.expr.nodes import Equal as Equal
from learnerdsl.expr.nodes import Greater as Greater
from learnerdsl.expr.nodes import GreaterEqual as GreaterEqual
from learnerdsl.expr.nodes import IsFinite as IsFinite
from learnerdsl.expr.nodes import Less as Less
from learnerdsl.expr.nodes import LessEqual as LessEqual
from learnerdsl.expr.nodes import Maximum as Maximum
from learnerdsl.expr.nodes import Minimum as Minimum
from learnerdsl.expr.nodes import Not as Not
from learnerdsl.expr.nodes import NotEqual as NotEqual
from learnerdsl.expr.nodes import Or as Or
from learnerdsl.expr.nodes import Power as Power
from learnerdsl.expr.nodes import Where as Where
from learnerdsl.expr.operators import operators_of_rules as operators_of_rules
from learnerdsl.expr.reductions import REDUCTIONS as REDUCTIONS
from learnerdsl.expr.reductions import Reduction as Reduction
from learnerdsl.expr.reductions import SumOver as SumOver
from learnerdsl.expr.reductions import all as all
from learnerdsl.expr.reductions import any as any
from learnerdsl.expr.reductions import count as count
from learnerdsl.expr.reductions import max as max
from learnerdsl.expr.reductions import mean as mean
from learnerdsl.expr.reductions import min as min
from learnerdsl.expr.reductions import norm as norm
from learnerdsl.expr.reductions import prod as prod
from learnerdsl.expr.reductions import size as size
from learnerdsl.expr.reductions import sum as sum
from learnerdsl.expr.reductions import written as written
from learnerdsl.expr.sides import PARAMETER_SIDES as PARAMETER_SIDES
from learnerdsl.expr.sides import Side as Side
from learnerdsl.expr.sides import Sides as Sides
from learnerdsl.expr.sides import array_shape as array_shape
from learnerdsl.expr.sides import as_sides as as_sides
from learnerdsl.expr.sides import broadcast as broadcast
from learnerdsl.expr.sides import knowing as knowing
from learnerdsl.expr.sides import length as length
from learnerdsl.expr.sides import sides as sides
from learnerdsl.expr.symbols import CLOCK as CLOCK
from learnerdsl.expr.symbols import STATE_SHAPES as STATE_SHAPES
from learnerdsl.expr.symbols import AxisSize as AxisSize
from learnerdsl.expr.symbols import AxisState as AxisState
from learnerdsl.expr.symbols import Clock as Clock
from learnerdsl.expr.symbols import ExtraArray as ExtraArray
from learnerdsl.expr.symbols import ExtraScalar as ExtraScalar
from learnerdsl.expr.symbols import ExtraSymbol as ExtraSymbol
from learnerdsl.expr.symbols import GradientSymbol as GradientSymbol
from learnerdsl.expr.symbols import GradientValue as GradientValue
from learnerdsl.expr.symbols import Hyperparameter as Hyperparameter
from learnerdsl.expr.symbols import LetValue as LetValue
from learnerdsl.expr.symbols import MatrixState as MatrixState
from learnerdsl.expr.symbols import ModelState as ModelState
from learnerdsl.expr.symbols import Named as Named
from learnerdsl.expr.symbols import NewValue as NewValue
from learnerdsl.expr.symbols import ObservedState as ObservedState
from learnerdsl.expr.symbols import ParameterSymbol as ParameterSymbol
from learnerdsl.expr.symbols import Position as Position
from learnerdsl.expr.symbols import RingState as RingState
from learnerdsl.expr.symbols import RuleSymbol as RuleSymbol
from learnerdsl.expr.symbols import StateSymbol as StateSymbol
from learnerdsl.expr.symbols import TensorScalar as TensorScalar
from learnerdsl.expr.symbols import TensorState as TensorState
from learnerdsl.expr.symbols import minibatch_size as minibatch_size
from learnerdsl.expr.symbols import model_size as model_size
from learnerdsl.expr.symbols import position as position
from learnerdsl.expr.symbols import samples as samples
from learnerdsl.expr.symbols import seed as seed
from learnerdsl.expr.symbols import step as step
from learnerdsl.expr.symbols import tensor_number as tensor_number
from learnerdsl.expr.symbols import tensor_size as tensor_size

globals().update(ELEMENTARY)

if TYPE_CHECKING:
    # Declare the functions of `FUNCTIONS`, which `globals().update` hides from type checkers.
    def __getattr__(name: str) -> Any: ...
