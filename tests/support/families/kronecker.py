"""Relatives of Shampoo and SOAP: matrices of rows and of columns that precondition a gradient."""

from support.families.matrices import of_matrices

_BY_HAND = "in no library that can be installed; the reference was compared by hand with"
UNTRUSTED = {
    "kl_shampoo": f"{_BY_HAND} optim/kl_opt.py of yorkerlin/KL-Methods in float64",
    "kl_soap": f"{_BY_HAND} optim/kl_opt.py of yorkerlin/KL-Methods in float64",
    "soap_muon": f"{_BY_HAND} result 44 of track 3, but for the norm that divides",
}


RESHAPED = (0, 7, 40)
"""Numbers of elements that tests give the shape of their parameter, without a reference."""


def _of_square_matrices(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Vectors are refused; eigenvectors of a null space are arbitrary, and large ones are slow."""
    *stack, rows, cols = of_matrices(shape)
    if len(shape) < 2:
        rows = 1 if cols in RESHAPED else cols
    side = min(rows, 16)
    return (*stack, side, cols if len(shape) < 2 and cols in RESHAPED else side)


SHAPES = dict.fromkeys(UNTRUSTED, _of_square_matrices)
_EIGENVALUES = {"initial_eigenvalue": (0.05, 0.5), "max_inverse_root": (5.0, 20.0)}
RANGES = {
    "kl_shampoo": _EIGENVALUES,
    "kl_soap": {**_EIGENVALUES, "shampoo_beta": (0.8, 0.95)},
    "soap_muon": {"beta2": (0.8, 0.95), "shampoo_beta": (0.8, 0.95)},
}
_TURNED = "eigenvectors turn by the error over the distance of the eigenvalues"
ROUNDING = {"kl_shampoo": (20, _TURNED), "kl_soap": (20, _TURNED), "soap_muon": (20, _TURNED)}
PASSES = {"kl_shampoo": 3, "kl_soap": 2, "soap_muon": 3}
