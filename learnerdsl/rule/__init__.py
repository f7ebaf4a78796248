"""Update rules: tracing a Python function gives a frozen, hashable, printable Rule."""

from learnerdsl.rule.composition import only_when as only_when
from learnerdsl.rule.composition import trace_chain as trace_chain
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
from learnerdsl.rule.language import normal as normal
from learnerdsl.rule.language import state as state
from learnerdsl.rule.language import uniform as uniform
from learnerdsl.rule.members import Member as Member
from learnerdsl.rule.members import chained as chained
from learnerdsl.rule.members import check_new_names as check_new_names
from learnerdsl.rule.members import rule_member as rule_member
from learnerdsl.rule.members import shared as shared
from learnerdsl.rule.members import transform_member as transform_member
from learnerdsl.rule.tracing import signature as signature
from learnerdsl.rule.tracing import trace as trace
