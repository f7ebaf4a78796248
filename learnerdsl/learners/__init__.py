"""The builtin learners. Each is a rule like those that users write, readable beside its paper."""

from learnerdsl.learners.adabound import adabound, adamod
from learnerdsl.learners.adadelta import adadelta
from learnerdsl.learners.adagrad import adagrad
from learnerdsl.learners.adam import adam, adamw
from learnerdsl.learners.adamax import adamax
from learnerdsl.learners.adamc import adam_uncorrected, adamc
from learnerdsl.learners.amos import amos
from learnerdsl.learners.amsgrad import amsgrad
from learnerdsl.learners.apollo import aida, apollo
from learnerdsl.learners.cautious import cautious_adamw, grams
from learnerdsl.learners.exadam import adamg, exadam
from learnerdsl.learners.fadam import fadam
from learnerdsl.learners.gravity import gravity, kate
from learnerdsl.learners.lamb import lamb
from learnerdsl.learners.laprop import laprop
from learnerdsl.learners.lars import lars
from learnerdsl.learners.lion import lion
from learnerdsl.learners.mars import mars_adamw, mars_lion
from learnerdsl.learners.msvag import msvag
from learnerdsl.learners.padam import diffgrad, padam
from learnerdsl.learners.qhadam import qhadam
from learnerdsl.learners.rmsprop import rmsprop
from learnerdsl.learners.sgd import momentum_sgd, nesterov, sgd
from learnerdsl.learners.sophia import adahessian, sophia
from learnerdsl.learners.stable_adamw import adanorm, stable_adamw

__all__ = [
    "adabound",
    "adadelta",
    "adagrad",
    "adahessian",
    "adam",
    "adam_uncorrected",
    "adamax",
    "adamc",
    "adamg",
    "adamod",
    "adamw",
    "adanorm",
    "aida",
    "amos",
    "amsgrad",
    "apollo",
    "cautious_adamw",
    "diffgrad",
    "exadam",
    "fadam",
    "grams",
    "gravity",
    "kate",
    "lamb",
    "laprop",
    "lars",
    "lion",
    "mars_adamw",
    "mars_lion",
    "momentum_sgd",
    "msvag",
    "nesterov",
    "padam",
    "qhadam",
    "rmsprop",
    "sgd",
    "sophia",
    "stable_adamw",
]
