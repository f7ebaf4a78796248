"""Rules of 2025 and 2026: variants of Adam, averages of weights, and stateless ones."""

from functools import partial

from support.families.libraries import run_torch, torch_names

_NOT_IN_A_PACKAGE = "the authors' code is not in a package; compared by hand with"

TRUSTED = {
    "ano": partial(run_torch, "Ano", torch_names, module="pytorch_optimizer", foreach=False),
}
_SEVERAL = "the authors published no code, and implementations differ"
UNTRUSTED = {
    "adams_momentum": "no library has it: pytorch_optimizer.AdamS is the stable weight decay",
    "bcos": f"{_NOT_IN_A_PACKAGE} facebookresearch/bcos; pytorch_optimizer's v is of the new m",
    "gpa_adamw": f"{_NOT_IN_A_PACKAGE} facebookresearch/optimizers, gpa/gpa_adamw.py",
    "madam": f"{_NOT_IN_A_PACKAGE} NVIDIA-NeMo/Emerging-Optimizers, update_functions/madam.py",
    "sinkgd": f"{_SEVERAL} in what they divide lengths by and in how they scale the result",
    "swan": f"{_SEVERAL} in the iteration that whitens",
    "schedule_free_plus": f"{_NOT_IN_A_PACKAGE} adamc_schedulefree_plus_paper.py of "
    "facebookresearch/schedule_free, which schedulefree 1.4.1 does not have yet",
}
RANGES = {
    # One of 100,000 momenta is easily so near 0 that float32 turns its sign; here none is.
    "ano": {"beta1": (0.9, 0.95)},
    "bcos": {"beta": (0.8, 0.95)},
    "gpa_adamw": {"mu_x": (0.8, 0.99), "mu_y": (0.7, 0.7)},
    "madam": {"scale_log2": (16.0, 16.0)},
    # Steps are as long as the loss over the size of gradients, and the decay is of their square.
    "schedule_free_plus": {
        "lr": (0.1, 1.0),
        "weight_decay": (1e-10, 1e-9),
        "sf_beta": (0.8, 0.95),
        "polyak_beta": (0.0, 0.9),
        "average_from": (3.0, 3.0),
        "r": (0.0, 1.0),
        "weight_lr_power": (0.0, 2.0),
    },
}
ROUNDING = {
    "adams_momentum": (5, "a momentum of nearly 0 is divided by itself in the next step"),
    "swan": (60, "a row of two nearly equal gradients is divided by their rounded difference"),
}
PASSES = {"schedule_free_plus": 2, "sinkgd": 11, "swan": 6}
