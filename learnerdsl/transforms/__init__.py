"""What composes with any rule: put transforms and a rule into `learnerdsl.chain`."""

from learnerdsl.transforms.averaging import ema, lookahead, swa
from learnerdsl.transforms.clipping import (
    adaptive_clip,
    clip_by_block_rms,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    clip_grad_norm,
)
from learnerdsl.transforms.decay import (
    add_decayed_weights,
    cautious_weight_decay,
    decoupled_weight_decay,
    fixed_weight_decay,
)
from learnerdsl.transforms.filtering import cautious, centralize, grokfast_ema, orthograd, zero_nans
from learnerdsl.transforms.gating import accumulate, apply_if_finite
from learnerdsl.transforms.noise import add_noise, perturb
from learnerdsl.transforms.projection import (
    non_negative,
    project_box,
    project_l2_ball,
    project_max_norm,
    soft_threshold,
)
from learnerdsl.transforms.scaling import normalize_by_global_norm, scale_by_block_rms, trust_ratio

__all__ = [
    "accumulate",
    "adaptive_clip",
    "add_decayed_weights",
    "add_noise",
    "apply_if_finite",
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
    "fixed_weight_decay",
    "grokfast_ema",
    "lookahead",
    "non_negative",
    "normalize_by_global_norm",
    "orthograd",
    "perturb",
    "project_box",
    "project_l2_ball",
    "project_max_norm",
    "scale_by_block_rms",
    "soft_threshold",
    "swa",
    "trust_ratio",
    "zero_nans",
]
