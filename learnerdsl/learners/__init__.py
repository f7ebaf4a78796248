"""The builtin learners. Each is a rule like those that users write, readable beside its paper."""

from learnerdsl.learners.adadelta import adadelta
from learnerdsl.learners.adagrad import adagrad
from learnerdsl.learners.adam import adam, adamw
from learnerdsl.learners.adamax import adamax
from learnerdsl.learners.amsgrad import amsgrad
from learnerdsl.learners.lamb import lamb
from learnerdsl.learners.lars import lars
from learnerdsl.learners.lion import lion
from learnerdsl.learners.rmsprop import rmsprop
from learnerdsl.learners.schedule_free import schedule_free_adamw, schedule_free_sgd
from learnerdsl.learners.schedule_free_radam import schedule_free_radam
from learnerdsl.learners.sgd import momentum_sgd, nesterov, sgd

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "amsgrad",
    "lamb",
    "lars",
    "lion",
    "momentum_sgd",
    "nesterov",
    "rmsprop",
    "schedule_free_adamw",
    "schedule_free_radam",
    "schedule_free_sgd",
    "sgd",
]
