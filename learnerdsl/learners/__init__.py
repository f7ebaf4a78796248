"""The builtin learners. Each is a rule like those that users write, readable beside its paper."""

from learnerdsl.learners.adadelta import adadelta
from learnerdsl.learners.adagc import adagc
from learnerdsl.learners.adagrad import adagrad
from learnerdsl.learners.adai import adai, adams
from learnerdsl.learners.adam import adam, adamw
from learnerdsl.learners.adamax import adamax
from learnerdsl.learners.amsgrad import amsgrad
from learnerdsl.learners.avagrad import avagrad
from learnerdsl.learners.dog import dog, dowg, l_dog
from learnerdsl.learners.fromage import fromage
from learnerdsl.learners.lamb import lamb, lamb_timm
from learnerdsl.learners.lars import lars, lars_timm
from learnerdsl.learners.lion import lion
from learnerdsl.learners.momo import momo, momo_adam
from learnerdsl.learners.novograd import novograd, novograd_timm
from learnerdsl.learners.polyak import alig, polyak_sgd
from learnerdsl.learners.rmsprop import rmsprop
from learnerdsl.learners.sgd import momentum_sgd, nesterov, sgd

__all__ = [
    "adadelta",
    "adagc",
    "adagrad",
    "adai",
    "adam",
    "adamax",
    "adams",
    "adamw",
    "alig",
    "amsgrad",
    "avagrad",
    "dog",
    "dowg",
    "fromage",
    "l_dog",
    "lamb",
    "lamb_timm",
    "lars",
    "lars_timm",
    "lion",
    "momentum_sgd",
    "momo",
    "momo_adam",
    "nesterov",
    "novograd",
    "novograd_timm",
    "polyak_sgd",
    "rmsprop",
    "sgd",
]
