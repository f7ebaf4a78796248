"""The builtin learners. Each is a rule as users write them, to be read next to its paper."""

from learnerdsl.learners.a2grad import a2grad
from learnerdsl.learners.accsgd import accsgd
from learnerdsl.learners.acprop import acprop
from learnerdsl.learners.adabelief import adabelief
from learnerdsl.learners.adabound import adabound
from learnerdsl.learners.adadelta import adadelta
from learnerdsl.learners.adafactor import adafactor
from learnerdsl.learners.adafactor_optax import adafactor_bv, adafactor_optax
from learnerdsl.learners.adagc import adagc
from learnerdsl.learners.adagrad import adagrad, adagrad_optax
from learnerdsl.learners.adahessian import adahessian
from learnerdsl.learners.adai import adai
from learnerdsl.learners.adam import adam, adamw
from learnerdsl.learners.adam_keras import adam_keras
from learnerdsl.learners.adam_mini import adam_mini
from learnerdsl.learners.adam_uncorrected import adam_uncorrected
from learnerdsl.learners.adamax import adamax, adamaxw
from learnerdsl.learners.adamc import adamc
from learnerdsl.learners.adamg import adamg
from learnerdsl.learners.adamod import adamod
from learnerdsl.learners.adams import adams
from learnerdsl.learners.adams_momentum import adams_momentum
from learnerdsl.learners.adamuon import adamuon
from learnerdsl.learners.adan import adan
from learnerdsl.learners.adanorm import adanorm
from learnerdsl.learners.adashift import adashift
from learnerdsl.learners.adasmooth import adasmooth
from learnerdsl.learners.ademamix import ademamix, simplified_ademamix
from learnerdsl.learners.adopt import adopt
from learnerdsl.learners.aggmo import aggmo
from learnerdsl.learners.aida import aida
from learnerdsl.learners.alig import alig
from learnerdsl.learners.amos import amos
from learnerdsl.learners.amsgrad import amsgrad, amsgrad_optax
from learnerdsl.learners.ano import ano
from learnerdsl.learners.apollo import apollo
from learnerdsl.learners.apollo_low_rank import apollo_low_rank, apollo_mini
from learnerdsl.learners.asgd import asgd
from learnerdsl.learners.asgo import asgo
from learnerdsl.learners.aurora import aurora
from learnerdsl.learners.avagrad import avagrad
from learnerdsl.learners.bcos import bcos
from learnerdsl.learners.came import came
from learnerdsl.learners.cautious_adamw import cautious_adamw
from learnerdsl.learners.cocob import cocob
from learnerdsl.learners.conda import conda
from learnerdsl.learners.cosmos import cosmos
from learnerdsl.learners.dadapt_adagrad import dadapt_adagrad
from learnerdsl.learners.dadapt_adamw import dadapt_adamw
from learnerdsl.learners.dadapt_adan import dadapt_adan
from learnerdsl.learners.dadapt_lion import dadapt_lion
from learnerdsl.learners.dadapt_sgd import dadapt_sgd
from learnerdsl.learners.diffgrad import diffgrad
from learnerdsl.learners.dion import dion
from learnerdsl.learners.dion2 import dion2
from learnerdsl.learners.dog import dog, dowg, l_dog
from learnerdsl.learners.exadam import exadam
from learnerdsl.learners.fadam import fadam
from learnerdsl.learners.fira import fira
from learnerdsl.learners.focus import focus
from learnerdsl.learners.fromage import fromage
from learnerdsl.learners.ftrl import ftrl
from learnerdsl.learners.galore_adamw import galore_adamw
from learnerdsl.learners.gpa_adamw import gpa_adamw
from learnerdsl.learners.grams import grams
from learnerdsl.learners.gravity import gravity
from learnerdsl.learners.kate import kate
from learnerdsl.learners.kl_shampoo import kl_shampoo
from learnerdsl.learners.kl_soap import kl_soap
from learnerdsl.learners.lamb import lamb, lamb_timm
from learnerdsl.learners.laprop import laprop
from learnerdsl.learners.lars import lars, lars_timm
from learnerdsl.learners.lbfgs import lbfgs
from learnerdsl.learners.lion import lion
from learnerdsl.learners.madam import madam
from learnerdsl.learners.madgrad import madgrad
from learnerdsl.learners.mano import mano
from learnerdsl.learners.mars_adamw import mars_adamw, mars_lion
from learnerdsl.learners.momo import momo, momo_adam
from learnerdsl.learners.msvag import msvag
from learnerdsl.learners.muon import muon, muon_with_adamw
from learnerdsl.learners.muon_optax import muon_optax
from learnerdsl.learners.muon_plus import muon_plus
from learnerdsl.learners.muon_squared import muon_squared
from learnerdsl.learners.muown import muown
from learnerdsl.learners.nadam import nadam
from learnerdsl.learners.nadamw import nadamw, nadamw_timm
from learnerdsl.learners.namo import namo
from learnerdsl.learners.nero import nero
from learnerdsl.learners.noisy_sgd import noisy_sgd
from learnerdsl.learners.nordion2 import nordion2
from learnerdsl.learners.normuon import normuon
from learnerdsl.learners.novograd import novograd, novograd_timm
from learnerdsl.learners.optimistic_adam_v2 import optimistic_adam_v2
from learnerdsl.learners.optimistic_gradient_descent import optimistic_gradient_descent
from learnerdsl.learners.padam import padam
from learnerdsl.learners.pid import pid
from learnerdsl.learners.pnm import adapnm, pnm
from learnerdsl.learners.polargrad import polargrad
from learnerdsl.learners.polyak_sgd import polyak_sgd
from learnerdsl.learners.prodigy import prodigy, prodigy_official
from learnerdsl.learners.psgd_kron import psgd_kron
from learnerdsl.learners.qhadam import qhadam
from learnerdsl.learners.qhm import qhm
from learnerdsl.learners.racs import racs
from learnerdsl.learners.radam import radam, radam_optax
from learnerdsl.learners.ranger import ranger
from learnerdsl.learners.rmnp import rmnp
from learnerdsl.learners.rmsprop import rmsprop, rmsprop_optax
from learnerdsl.learners.rmsprop_momentum import rmsprop_centered, rmsprop_momentum
from learnerdsl.learners.rprop import rprop
from learnerdsl.learners.schedule_free_adamw import schedule_free_adamw
from learnerdsl.learners.schedule_free_plus import schedule_free_plus
from learnerdsl.learners.schedule_free_radam import schedule_free_radam
from learnerdsl.learners.schedule_free_sgd import schedule_free_sgd
from learnerdsl.learners.scion import scion
from learnerdsl.learners.sgd import momentum_sgd, nesterov, sgd
from learnerdsl.learners.sgd_sai import sgd_sai
from learnerdsl.learners.sgdp import adamp, sgdp
from learnerdsl.learners.sgdw import sgd_keras, sgdw
from learnerdsl.learners.shampoo import shampoo
from learnerdsl.learners.sign_sgd import sign_sgd, signum
from learnerdsl.learners.sinkgd import sinkgd
from learnerdsl.learners.sm3 import sm3
from learnerdsl.learners.soap import soap
from learnerdsl.learners.soap_muon import soap_muon
from learnerdsl.learners.sophia import sophia
from learnerdsl.learners.sparse_adam import sparse_adam
from learnerdsl.learners.splus import splus
from learnerdsl.learners.srmm import srmm
from learnerdsl.learners.stable_adamw import stable_adamw
from learnerdsl.learners.stable_spam import stable_spam
from learnerdsl.learners.swan import swan
from learnerdsl.learners.tam import adatam, tam
from learnerdsl.learners.tiger import tiger
from learnerdsl.learners.vsgd import vsgd
from learnerdsl.learners.yogi import yogi

__all__ = [
    "a2grad",
    "accsgd",
    "acprop",
    "adabelief",
    "adabound",
    "adadelta",
    "adafactor",
    "adafactor_bv",
    "adafactor_optax",
    "adagc",
    "adagrad",
    "adagrad_optax",
    "adahessian",
    "adai",
    "adam",
    "adam_keras",
    "adam_mini",
    "adam_uncorrected",
    "adamax",
    "adamaxw",
    "adamc",
    "adamg",
    "adamod",
    "adamp",
    "adams",
    "adams_momentum",
    "adamuon",
    "adamw",
    "adan",
    "adanorm",
    "adapnm",
    "adashift",
    "adasmooth",
    "adatam",
    "ademamix",
    "adopt",
    "aggmo",
    "aida",
    "alig",
    "amos",
    "amsgrad",
    "amsgrad_optax",
    "ano",
    "apollo",
    "apollo_low_rank",
    "apollo_mini",
    "asgd",
    "asgo",
    "aurora",
    "avagrad",
    "bcos",
    "came",
    "cautious_adamw",
    "cocob",
    "conda",
    "cosmos",
    "dadapt_adagrad",
    "dadapt_adamw",
    "dadapt_adan",
    "dadapt_lion",
    "dadapt_sgd",
    "diffgrad",
    "dion",
    "dion2",
    "dog",
    "dowg",
    "exadam",
    "fadam",
    "fira",
    "focus",
    "fromage",
    "ftrl",
    "galore_adamw",
    "gpa_adamw",
    "grams",
    "gravity",
    "kate",
    "kl_shampoo",
    "kl_soap",
    "l_dog",
    "lamb",
    "lamb_timm",
    "laprop",
    "lars",
    "lars_timm",
    "lbfgs",
    "lion",
    "madam",
    "madgrad",
    "mano",
    "mars_adamw",
    "mars_lion",
    "momentum_sgd",
    "momo",
    "momo_adam",
    "msvag",
    "muon",
    "muon_optax",
    "muon_plus",
    "muon_squared",
    "muon_with_adamw",
    "muown",
    "nadam",
    "nadamw",
    "nadamw_timm",
    "namo",
    "nero",
    "nesterov",
    "noisy_sgd",
    "nordion2",
    "normuon",
    "novograd",
    "novograd_timm",
    "optimistic_adam_v2",
    "optimistic_gradient_descent",
    "padam",
    "pid",
    "pnm",
    "polargrad",
    "polyak_sgd",
    "prodigy",
    "prodigy_official",
    "psgd_kron",
    "qhadam",
    "qhm",
    "racs",
    "radam",
    "radam_optax",
    "ranger",
    "rmnp",
    "rmsprop",
    "rmsprop_centered",
    "rmsprop_momentum",
    "rmsprop_optax",
    "rprop",
    "schedule_free_adamw",
    "schedule_free_plus",
    "schedule_free_radam",
    "schedule_free_sgd",
    "scion",
    "sgd",
    "sgd_keras",
    "sgd_sai",
    "sgdp",
    "sgdw",
    "shampoo",
    "sign_sgd",
    "signum",
    "simplified_ademamix",
    "sinkgd",
    "sm3",
    "soap",
    "soap_muon",
    "sophia",
    "sparse_adam",
    "splus",
    "srmm",
    "stable_adamw",
    "stable_spam",
    "swan",
    "tam",
    "tiger",
    "vsgd",
    "yogi",
]


def __dir__() -> list[str]:
    """List the learners, without the modules that hold them."""
    return list(__all__)
