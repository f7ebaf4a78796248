"""Print rules as functions of jax.numpy, which JAX traces: one per level, without importing JAX."""

from learnerdsl.xla.functions import Function as Function
from learnerdsl.xla.program import VariantFunctions as VariantFunctions
from learnerdsl.xla.program import XlaProgram as XlaProgram
from learnerdsl.xla.program import xla_program as xla_program
from learnerdsl.xla.schedules import schedule_source as schedule_source
