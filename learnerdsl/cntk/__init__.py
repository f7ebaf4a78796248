"""CNTK's names on learnerdsl: `import learnerdsl.cntk as C` runs programs for CNTK 2.7."""

from learnerdsl.cntk import layers as layers
from learnerdsl.cntk import learners as learners
from learnerdsl.cntk import progress as progress
from learnerdsl.cntk import training as training
from learnerdsl.cntk.configs import CheckpointConfig as CheckpointConfig
from learnerdsl.cntk.configs import CrossValidationConfig as CrossValidationConfig
from learnerdsl.cntk.configs import TestConfig as TestConfig
from learnerdsl.cntk.graph.defaults import default_options as default_options
from learnerdsl.cntk.graph.functions import CloneMethod as CloneMethod
from learnerdsl.cntk.graph.functions import Function as Function
from learnerdsl.cntk.graph.functions import load_model as load_model
from learnerdsl.cntk.graph.initializers import glorot_normal as glorot_normal
from learnerdsl.cntk.graph.initializers import glorot_uniform as glorot_uniform
from learnerdsl.cntk.graph.initializers import he_normal as he_normal
from learnerdsl.cntk.graph.initializers import he_uniform as he_uniform
from learnerdsl.cntk.graph.initializers import normal as normal
from learnerdsl.cntk.graph.initializers import set_fixed_random_seed as set_fixed_random_seed
from learnerdsl.cntk.graph.initializers import uniform as uniform
from learnerdsl.cntk.graph.values import NDArrayView as NDArrayView
from learnerdsl.cntk.graph.values import Value as Value
from learnerdsl.cntk.graph.variables import Constant as Constant
from learnerdsl.cntk.graph.variables import Parameter as Parameter
from learnerdsl.cntk.graph.variables import Variable as Variable
from learnerdsl.cntk.graph.variables import constant as constant
from learnerdsl.cntk.graph.variables import input_variable as input_variable
from learnerdsl.cntk.graph.variables import parameter as parameter
from learnerdsl.cntk.learners import adadelta as adadelta
from learnerdsl.cntk.learners import adagrad as adagrad
from learnerdsl.cntk.learners import adam as adam
from learnerdsl.cntk.learners import default_unit_gain_value as default_unit_gain_value
from learnerdsl.cntk.learners import fsadagrad as fsadagrad
from learnerdsl.cntk.learners import momentum_sgd as momentum_sgd
from learnerdsl.cntk.learners import nesterov as nesterov
from learnerdsl.cntk.learners import rmsprop as rmsprop
from learnerdsl.cntk.learners import set_default_unit_gain_value as set_default_unit_gain_value
from learnerdsl.cntk.learners import sgd as sgd
from learnerdsl.cntk.learning.learner import Learner as Learner
from learnerdsl.cntk.learning.learner import UserLearner as UserLearner
from learnerdsl.cntk.learning.schedules import UnitType as UnitType
from learnerdsl.cntk.learning.schedules import (
    learning_parameter_schedule as learning_parameter_schedule,
)
from learnerdsl.cntk.learning.schedules import (
    learning_parameter_schedule_per_sample as learning_parameter_schedule_per_sample,
)
from learnerdsl.cntk.learning.schedules import learning_rate_schedule as learning_rate_schedule
from learnerdsl.cntk.learning.schedules import (
    momentum_as_time_constant_schedule as momentum_as_time_constant_schedule,
)
from learnerdsl.cntk.learning.schedules import momentum_schedule as momentum_schedule
from learnerdsl.cntk.learning.schedules import (
    momentum_schedule_per_sample as momentum_schedule_per_sample,
)
from learnerdsl.cntk.learning.schedules import (
    training_parameter_schedule as training_parameter_schedule,
)
from learnerdsl.cntk.losses import binary_cross_entropy as binary_cross_entropy
from learnerdsl.cntk.losses import classification_error as classification_error
from learnerdsl.cntk.losses import cross_entropy_with_softmax as cross_entropy_with_softmax
from learnerdsl.cntk.losses import squared_error as squared_error
from learnerdsl.cntk.ops import abs as abs
from learnerdsl.cntk.ops import alias as alias
from learnerdsl.cntk.ops import assign as assign
from learnerdsl.cntk.ops import clip as clip
from learnerdsl.cntk.ops import combine as combine
from learnerdsl.cntk.ops import dropout as dropout
from learnerdsl.cntk.ops import element_divide as element_divide
from learnerdsl.cntk.ops import element_max as element_max
from learnerdsl.cntk.ops import element_min as element_min
from learnerdsl.cntk.ops import element_select as element_select
from learnerdsl.cntk.ops import element_times as element_times
from learnerdsl.cntk.ops import equal as equal
from learnerdsl.cntk.ops import exp as exp
from learnerdsl.cntk.ops import greater as greater
from learnerdsl.cntk.ops import greater_equal as greater_equal
from learnerdsl.cntk.ops import less as less
from learnerdsl.cntk.ops import less_equal as less_equal
from learnerdsl.cntk.ops import log as log
from learnerdsl.cntk.ops import log_softmax as log_softmax
from learnerdsl.cntk.ops import minus as minus
from learnerdsl.cntk.ops import negate as negate
from learnerdsl.cntk.ops import not_equal as not_equal
from learnerdsl.cntk.ops import plus as plus
from learnerdsl.cntk.ops import pow as pow
from learnerdsl.cntk.ops import reduce_max as reduce_max
from learnerdsl.cntk.ops import reduce_mean as reduce_mean
from learnerdsl.cntk.ops import reduce_min as reduce_min
from learnerdsl.cntk.ops import reduce_sum as reduce_sum
from learnerdsl.cntk.ops import relu as relu
from learnerdsl.cntk.ops import reshape as reshape
from learnerdsl.cntk.ops import sigmoid as sigmoid
from learnerdsl.cntk.ops import slice as slice
from learnerdsl.cntk.ops import softmax as softmax
from learnerdsl.cntk.ops import splice as splice
from learnerdsl.cntk.ops import sqrt as sqrt
from learnerdsl.cntk.ops import square as square
from learnerdsl.cntk.ops import stop_gradient as stop_gradient
from learnerdsl.cntk.ops import tanh as tanh
from learnerdsl.cntk.ops import times as times
from learnerdsl.cntk.ops import transpose as transpose
from learnerdsl.cntk.trainer import Trainer as Trainer
from learnerdsl.cntk.universal import universal as universal

logging = progress
