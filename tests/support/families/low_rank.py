"""Rules whose states are matrices of low rank."""

UNTRUSTED = {
    "apollo_low_rank": "apollo_torch draws by torch; 20 of its steps, by hand, agree to 2e-14",
    "apollo_mini": "apollo_torch draws by torch; 20 of its steps, by hand, agree to 6e-15",
    "cosmos": "in no package; 20 steps of the authors' COSMOS_optim.py agree in float64",
    "dion": "dion is not on PyPI; 20 steps of its dion_simple.py, by hand, agree to 3e-15",
}
_APOLLO = {"scale": (0.5, 2.0), "eps": (1e-7, 1e-5)}
RANGES = {"apollo_low_rank": _APOLLO, "apollo_mini": _APOLLO, "dion": {"mu": (0.8, 0.99)}}
RANGES["cosmos"] = {"gamma": (0.1, 0.5), "lr_ratio": (0.1, 0.5)}
PASSES = {"cosmos": 3, "apollo_low_rank": 2, "apollo_mini": 2, "dion": 2}


def _of_matrices(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Vectors are refused."""
    return (1,) * (2 - len(shape)) + shape


def _standing(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Where there are more columns than rows, directions without a gradient are arbitrary."""
    if len(shape) < 2:
        return shape
    short, long = sorted(shape[-2:])
    return (*shape[:-2], min(long, 16), min(short, 12))


SHAPES = {"cosmos": _standing, "dion": _of_matrices}
ROUNDING = {
    "cosmos": (100, "directions of small eigenvalues turn by the rounding of large ones"),
    "dion": (100, "directions of small singular values turn by the rounding of large ones"),
}
