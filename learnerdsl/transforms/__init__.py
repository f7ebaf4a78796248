"""Transforms, which compose with any rule: put them and a rule into `learnerdsl.chain`."""

from learnerdsl.transforms.accumulate import accumulate
from learnerdsl.transforms.adaptive_clip import adaptive_clip
from learnerdsl.transforms.add_decayed_weights import add_decayed_weights
from learnerdsl.transforms.add_noise import add_noise
from learnerdsl.transforms.apply_if_finite import apply_if_finite
from learnerdsl.transforms.asam import asam
from learnerdsl.transforms.cautious import cautious
from learnerdsl.transforms.cautious_weight_decay import cautious_weight_decay
from learnerdsl.transforms.centralize import centralize
from learnerdsl.transforms.clip_by_block_rms import clip_by_block_rms
from learnerdsl.transforms.clip_by_global_norm import clip_by_global_norm
from learnerdsl.transforms.clip_by_norm import clip_by_norm
from learnerdsl.transforms.clip_by_value import clip_by_value
from learnerdsl.transforms.clip_grad_norm import clip_grad_norm
from learnerdsl.transforms.decoupled_weight_decay import decoupled_weight_decay
from learnerdsl.transforms.ema import ema
from learnerdsl.transforms.ema_nesterov import ema_nesterov
from learnerdsl.transforms.equilibrate_rows import equilibrate_rows
from learnerdsl.transforms.fixed_weight_decay import fixed_weight_decay
from learnerdsl.transforms.grokfast_ema import grokfast_ema
from learnerdsl.transforms.hyperball import hyperball
from learnerdsl.transforms.lookahead import lookahead
from learnerdsl.transforms.magma import magma
from learnerdsl.transforms.mechanic import mechanic
from learnerdsl.transforms.non_negative import non_negative
from learnerdsl.transforms.normalize_by_global_norm import normalize_by_global_norm
from learnerdsl.transforms.orthograd import orthograd
from learnerdsl.transforms.perturb import perturb
from learnerdsl.transforms.project_box import project_box
from learnerdsl.transforms.project_l2_ball import project_l2_ball
from learnerdsl.transforms.project_max_norm import project_max_norm
from learnerdsl.transforms.qk_clip import qk_clip
from learnerdsl.transforms.radial_brake import radial_brake
from learnerdsl.transforms.radius_pin import radius_pin
from learnerdsl.transforms.sam import sam
from learnerdsl.transforms.scale_by_block_rms import scale_by_block_rms
from learnerdsl.transforms.soft_threshold import soft_threshold
from learnerdsl.transforms.swa import swa
from learnerdsl.transforms.tail_ema import tail_ema
from learnerdsl.transforms.trust_ratio import trust_ratio
from learnerdsl.transforms.update_floor import row_update_floor, update_floor
from learnerdsl.transforms.zero_nans import zero_nans

__all__ = [
    "accumulate",
    "adaptive_clip",
    "add_decayed_weights",
    "add_noise",
    "apply_if_finite",
    "asam",
    "cautious",
    "cautious_weight_decay",
    "centralize",
    "clip_by_block_rms",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "clip_grad_norm",
    "decoupled_weight_decay",
    "ema",
    "ema_nesterov",
    "equilibrate_rows",
    "fixed_weight_decay",
    "grokfast_ema",
    "hyperball",
    "lookahead",
    "magma",
    "mechanic",
    "non_negative",
    "normalize_by_global_norm",
    "orthograd",
    "perturb",
    "project_box",
    "project_l2_ball",
    "project_max_norm",
    "qk_clip",
    "radial_brake",
    "radius_pin",
    "row_update_floor",
    "sam",
    "scale_by_block_rms",
    "soft_threshold",
    "swa",
    "tail_ema",
    "trust_ratio",
    "update_floor",
    "zero_nans",
]


def __dir__() -> list[str]:
    """List the transforms, without the modules that hold them."""
    return list(__all__)
