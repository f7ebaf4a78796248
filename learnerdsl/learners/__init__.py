"""The builtin learners. Each is a rule like those that users write, readable beside its paper."""

from learnerdsl.learners.a2grad import a2grad
from learnerdsl.learners.adadelta import adadelta
from learnerdsl.learners.adagrad import adagrad, adagrad_optax
from learnerdsl.learners.adam import adam, adamw
from learnerdsl.learners.adamax import adamax
from learnerdsl.learners.adasmooth import adasmooth
from learnerdsl.learners.aggmo import aggmo
from learnerdsl.learners.amsgrad import amsgrad
from learnerdsl.learners.asgd import asgd
from learnerdsl.learners.cocob import cocob
from learnerdsl.learners.focus import focus
from learnerdsl.learners.ftrl import ftrl
from learnerdsl.learners.lamb import lamb
from learnerdsl.learners.lars import lars
from learnerdsl.learners.lion import lion
from learnerdsl.learners.madgrad import madgrad
from learnerdsl.learners.noisy_sgd import noisy_sgd
from learnerdsl.learners.optimistic_gradient import optimistic_gradient_descent
from learnerdsl.learners.pid import pid
from learnerdsl.learners.pnm import adapnm, pnm
from learnerdsl.learners.qhm import accsgd, qhm
from learnerdsl.learners.rmsprop import rmsprop, rmsprop_optax
from learnerdsl.learners.rmsprop_momentum import rmsprop_centered, rmsprop_momentum
from learnerdsl.learners.rprop import rprop
from learnerdsl.learners.sgd import momentum_sgd, nesterov, sgd
from learnerdsl.learners.sgd_sai import sgd_sai
from learnerdsl.learners.sgdw import sgd_keras, sgdw
from learnerdsl.learners.sign import sign_sgd, signum, tiger
from learnerdsl.learners.srmm import srmm
from learnerdsl.learners.vsgd import vsgd

__all__ = [
    "a2grad",
    "accsgd",
    "adadelta",
    "adagrad",
    "adagrad_optax",
    "adam",
    "adamax",
    "adamw",
    "adapnm",
    "adasmooth",
    "aggmo",
    "amsgrad",
    "asgd",
    "cocob",
    "focus",
    "ftrl",
    "lamb",
    "lars",
    "lion",
    "madgrad",
    "momentum_sgd",
    "nesterov",
    "noisy_sgd",
    "optimistic_gradient_descent",
    "pid",
    "pnm",
    "qhm",
    "rmsprop",
    "rmsprop_centered",
    "rmsprop_momentum",
    "rmsprop_optax",
    "rprop",
    "sgd",
    "sgd_keras",
    "sgd_sai",
    "sgdw",
    "sign_sgd",
    "signum",
    "srmm",
    "tiger",
    "vsgd",
]
