"""The builtin learners. Each is a rule like those that users write, readable beside its paper."""

from learnerdsl.learners.adadelta import adadelta
from learnerdsl.learners.adagrad import adagrad
from learnerdsl.learners.adam import adam, adamw
from learnerdsl.learners.adamax import adamax
from learnerdsl.learners.amsgrad import amsgrad
from learnerdsl.learners.dadapt_adagrad import dadapt_adagrad
from learnerdsl.learners.dadapt_adam import dadapt_adamw, dadapt_adan
from learnerdsl.learners.dadapt_sgd import dadapt_lion, dadapt_sgd
from learnerdsl.learners.lamb import lamb
from learnerdsl.learners.lars import lars
from learnerdsl.learners.lion import lion
from learnerdsl.learners.prodigy import prodigy, prodigy_official
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
    "dadapt_adagrad",
    "dadapt_adamw",
    "dadapt_adan",
    "dadapt_lion",
    "dadapt_sgd",
    "lamb",
    "lars",
    "lion",
    "momentum_sgd",
    "nesterov",
    "prodigy",
    "prodigy_official",
    "rmsprop",
    "schedule_free_adamw",
    "schedule_free_radam",
    "schedule_free_sgd",
    "sgd",
]
