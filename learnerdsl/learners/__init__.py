"""The builtin learners. Each is a rule like those that users write, readable beside its paper."""

from learnerdsl.learners.adadelta import adadelta
from learnerdsl.learners.adagrad import adagrad
from learnerdsl.learners.adam import adam, adamw
from learnerdsl.learners.adam_eps_hat import adam_keras, sparse_adam
from learnerdsl.learners.adamax import adamax, adamaxw
from learnerdsl.learners.adan import adan
from learnerdsl.learners.ademamix import ademamix, simplified_ademamix
from learnerdsl.learners.adopt import adopt
from learnerdsl.learners.amsgrad import amsgrad, amsgrad_optax
from learnerdsl.learners.belief import acprop, adabelief
from learnerdsl.learners.lamb import lamb
from learnerdsl.learners.lars import lars
from learnerdsl.learners.lion import lion
from learnerdsl.learners.nadam import nadam
from learnerdsl.learners.nadamw import nadamw, nadamw_timm
from learnerdsl.learners.optimistic_adam import optimistic_adam_v2
from learnerdsl.learners.radam import radam, radam_optax
from learnerdsl.learners.rmsprop import rmsprop
from learnerdsl.learners.sgd import momentum_sgd, nesterov, sgd
from learnerdsl.learners.yogi import yogi

__all__ = [
    "acprop",
    "adabelief",
    "adadelta",
    "adagrad",
    "adam",
    "adam_keras",
    "adamax",
    "adamaxw",
    "adamw",
    "adan",
    "ademamix",
    "adopt",
    "amsgrad",
    "amsgrad_optax",
    "lamb",
    "lars",
    "lion",
    "momentum_sgd",
    "nadam",
    "nadamw",
    "nadamw_timm",
    "nesterov",
    "optimistic_adam_v2",
    "radam",
    "radam_optax",
    "rmsprop",
    "sgd",
    "simplified_ademamix",
    "sparse_adam",
    "yogi",
]
