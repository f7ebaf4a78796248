"""Update rules: tracing a Python function gives a frozen, hashable, printable Rule."""

from learnerdsl.rule.definition import Assignment as Assignment
from learnerdsl.rule.definition import HyperDefault as HyperDefault
from learnerdsl.rule.definition import OptionValue as OptionValue
from learnerdsl.rule.definition import Rule as Rule
from learnerdsl.rule.definition import StateSpec as StateSpec
from learnerdsl.rule.language import Combination as Combination
from learnerdsl.rule.language import assign as assign
from learnerdsl.rule.language import combine as combine
from learnerdsl.rule.language import evaluate as evaluate
from learnerdsl.rule.language import extra as extra
from learnerdsl.rule.language import let as let
from learnerdsl.rule.language import ndim as ndim
from learnerdsl.rule.language import normal as normal
from learnerdsl.rule.language import shape as shape
from learnerdsl.rule.language import state as state
from learnerdsl.rule.language import uniform as uniform
from learnerdsl.rule.tracing import DEFAULT_SHAPE as DEFAULT_SHAPE
from learnerdsl.rule.tracing import signature as signature
from learnerdsl.rule.tracing import trace as trace
from learnerdsl.rule.variants import check_variants as check_variants
from learnerdsl.rule.variants import model_reductions as model_reductions
from learnerdsl.rule.variants import shown as shown
from learnerdsl.rule.variants import starts as starts
from learnerdsl.rule.variants import values as values
