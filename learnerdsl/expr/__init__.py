"""The symbols and functions a rule may use. All of them are SymPy's, or subclasses of SymPy's.

A rule is written about one element of one parameter; the compiler finds out what is the same for a
whole tensor or for the whole model. Every symbol is real, so `sympy.diff`, `subs`, `simplify` and
`latex` know what they may do with it.
"""

from learnerdsl.expr.functions import UNARY_FUNCTIONS as UNARY_FUNCTIONS
from learnerdsl.expr.functions import Draw as Draw
from learnerdsl.expr.functions import NormalDraw as NormalDraw
from learnerdsl.expr.functions import UniformDraw as UniformDraw
from learnerdsl.expr.functions import abs as abs
from learnerdsl.expr.functions import acos as acos
from learnerdsl.expr.functions import asin as asin
from learnerdsl.expr.functions import atan as atan
from learnerdsl.expr.functions import ceil as ceil
from learnerdsl.expr.functions import clip as clip
from learnerdsl.expr.functions import cos as cos
from learnerdsl.expr.functions import cosh as cosh
from learnerdsl.expr.functions import equal as equal
from learnerdsl.expr.functions import exp as exp
from learnerdsl.expr.functions import expression as expression
from learnerdsl.expr.functions import floor as floor
from learnerdsl.expr.functions import log as log
from learnerdsl.expr.functions import maximum as maximum
from learnerdsl.expr.functions import minimum as minimum
from learnerdsl.expr.functions import not_equal as not_equal
from learnerdsl.expr.functions import pi as pi
from learnerdsl.expr.functions import sign as sign
from learnerdsl.expr.functions import sin as sin
from learnerdsl.expr.functions import sinh as sinh
from learnerdsl.expr.functions import sqrt as sqrt
from learnerdsl.expr.functions import tan as tan
from learnerdsl.expr.functions import tanh as tanh
from learnerdsl.expr.functions import where as where
from learnerdsl.expr.reductions import MaxOver as MaxOver
from learnerdsl.expr.reductions import Reduction as Reduction
from learnerdsl.expr.reductions import SumOver as SumOver
from learnerdsl.expr.reductions import max as max
from learnerdsl.expr.reductions import mean as mean
from learnerdsl.expr.reductions import norm as norm
from learnerdsl.expr.reductions import size as size
from learnerdsl.expr.reductions import sum as sum
from learnerdsl.expr.symbols import CLOCK as CLOCK
from learnerdsl.expr.symbols import STATE_SHAPES as STATE_SHAPES
from learnerdsl.expr.symbols import Clock as Clock
from learnerdsl.expr.symbols import ExtraArray as ExtraArray
from learnerdsl.expr.symbols import ExtraScalar as ExtraScalar
from learnerdsl.expr.symbols import ExtraSymbol as ExtraSymbol
from learnerdsl.expr.symbols import GradientSymbol as GradientSymbol
from learnerdsl.expr.symbols import GradientValue as GradientValue
from learnerdsl.expr.symbols import Hyperparameter as Hyperparameter
from learnerdsl.expr.symbols import LetValue as LetValue
from learnerdsl.expr.symbols import ModelState as ModelState
from learnerdsl.expr.symbols import Named as Named
from learnerdsl.expr.symbols import NewValue as NewValue
from learnerdsl.expr.symbols import ParameterSymbol as ParameterSymbol
from learnerdsl.expr.symbols import Position as Position
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
