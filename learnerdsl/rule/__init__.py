"""Update rules: tracing a Python function gives a frozen, hashable, printable Rule."""

from learnerdsl.rule.definition import Assignment as Assignment
from learnerdsl.rule.definition import HyperDefault as HyperDefault
from learnerdsl.rule.definition import OptionValue as OptionValue
from learnerdsl.rule.definition import Rule as Rule
from learnerdsl.rule.definition import StateSpec as StateSpec
from learnerdsl.rule.tracing import Combination as Combination
from learnerdsl.rule.tracing import assign as assign
from learnerdsl.rule.tracing import combine as combine
from learnerdsl.rule.tracing import let as let
from learnerdsl.rule.tracing import normal as normal
from learnerdsl.rule.tracing import signature as signature
from learnerdsl.rule.tracing import state as state
from learnerdsl.rule.tracing import trace as trace
from learnerdsl.rule.tracing import uniform as uniform
