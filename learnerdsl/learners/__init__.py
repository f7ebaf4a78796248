"""The builtin learners. Each is a rule like those that users write, readable beside its paper."""

from learnerdsl.learners.adabound import adabound, adamod
from learnerdsl.learners.adadelta import adadelta
from learnerdsl.learners.adagrad import adagrad
from learnerdsl.learners.adam import adam, adamw
from learnerdsl.learners.adam_eps_hat import adam_keras, sparse_adam
from learnerdsl.learners.adamax import adamax, adamaxw
from learnerdsl.learners.adamc import adam_uncorrected, adamc
from learnerdsl.learners.adan import adan
from learnerdsl.learners.ademamix import ademamix, simplified_ademamix
from learnerdsl.learners.adopt import adopt
from learnerdsl.learners.amos import amos
from learnerdsl.learners.amsgrad import amsgrad, amsgrad_optax
from learnerdsl.learners.apollo import aida, apollo
from learnerdsl.learners.belief import acprop, adabelief
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
from learnerdsl.learners.nadam import nadam
from learnerdsl.learners.nadamw import nadamw, nadamw_timm
from learnerdsl.learners.optimistic_adam import optimistic_adam_v2
from learnerdsl.learners.padam import diffgrad, padam
from learnerdsl.learners.qhadam import qhadam
from learnerdsl.learners.radam import radam, radam_optax
from learnerdsl.learners.rmsprop import rmsprop
from learnerdsl.learners.sgd import momentum_sgd, nesterov, sgd
from learnerdsl.learners.sophia import adahessian, sophia
from learnerdsl.learners.stable_adamw import adanorm, stable_adamw
from learnerdsl.learners.yogi import yogi

__all__ = [
    "acprop",
    "adabelief",
    "adabound",
    "adadelta",
    "adagrad",
    "adahessian",
    "adam",
    "adam_keras",
    "adam_uncorrected",
    "adamax",
    "adamaxw",
    "adamc",
    "adamg",
    "adamod",
    "adamw",
    "adan",
    "adanorm",
    "ademamix",
    "adopt",
    "aida",
    "amos",
    "amsgrad",
    "amsgrad_optax",
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
    "nadam",
    "nadamw",
    "nadamw_timm",
    "nesterov",
    "optimistic_adam_v2",
    "padam",
    "qhadam",
    "radam",
    "radam_optax",
    "rmsprop",
    "sgd",
    "simplified_ademamix",
    "sophia",
    "sparse_adam",
    "stable_adamw",
    "yogi",
]
