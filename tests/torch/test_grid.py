"""The classes that torch.optim has too give its weights, for all that torch tests its own with."""

import pytest
import torch
from support.tiers import costly, slow
from support.torch_grid import (
    BY_AXES,
    GRID,
    STEPS,
    TAKE_SPARSE,
    error,
    exact,
    give_gradients,
    optimizer_of,
    starts,
    trained,
)

import learnerdsl.torch as ldt

BOUNDS = {
    torch.float32: 1e-6,
    torch.float64: 1e-12,
    torch.complex64: 1e-6,
    torch.complex128: 1e-12,
}
"""The largest difference in parts of the movement."""
NARROWER = (torch.float32, torch.complex64)
BFLOAT16_PRODUCTS = 0.05
"""The same for Muon, whose products torch rounds to bfloat16."""
SPARSE_COMPLEX_DIFFERS = {"Adagrad", "SparseAdam"}
"""Adagrad of torch squares complex numbers as pairs, but not sparse ones; SparseAdam has none."""


def cases(grid, dtypes, without_complex=BY_AXES, quick=GRID, left=slow):
    """Pair each class, its arguments and the number types; the last arguments are quick.

    Others are marked as `left` does, but for the last arguments in the first number type. What a
    type of 32 bits is besides the last arguments is costly, as 64 bits tell more.
    """
    found = []
    for name, rows in grid.items():
        for arguments in rows:
            for dtype in dtypes:
                case = (name, arguments, dtype)
                is_first = arguments is rows[-1] and dtype is dtypes[0]
                if is_first and name in quick:
                    found.append(case)
                elif not dtype.is_complex or name not in without_complex:
                    is_left = dtype in NARROWER and arguments is not rows[-1]
                    found.append((slow if is_first else costly if is_left else left)(*case))
    return found


NARROW = (torch.bfloat16, torch.float16)


def check(name, arguments, dtype, is_sparse=False):
    """Compare a class with that of torch, for one group of parameters and for two."""
    begin, arguments = starts(name, dtype, is_sparse), exact(arguments, dtype)
    bound = BFLOAT16_PRODUCTS if name == "Muon" else BOUNDS[dtype]
    for groups in (1, 2):
        own = trained(getattr(ldt, name), begin, arguments, is_sparse, groups)
        theirs = trained(getattr(torch.optim, name), begin, arguments, is_sparse, groups)
        assert error(own, theirs, begin) <= bound
        assert all(a.stride() == b.stride() for a, b in zip(own, begin, strict=True))


DENSE = {name: rows for name, rows in GRID.items() if name != "SparseAdam"}


@pytest.mark.usefixtures("double_scalars")
@pytest.mark.parametrize(("name", "arguments", "dtype"), cases(DENSE, tuple(BOUNDS)), ids=str)
def test_class_gives_the_weights_of_torch(name, arguments, dtype):
    check(name, arguments, dtype)


@pytest.mark.usefixtures("double_scalars")
@pytest.mark.parametrize(
    ("name", "arguments", "dtype"),
    cases(TAKE_SPARSE, tuple(BOUNDS), SPARSE_COMPLEX_DIFFERS),
    ids=str,
)
def test_class_gives_the_weights_of_torch_for_sparse_gradients(name, arguments, dtype):
    with torch.sparse.check_sparse_tensor_invariants():  # also says that they may be checked
        check(name, arguments, dtype, is_sparse=True)


@pytest.mark.parametrize(
    ("name", "arguments", "dtype"),
    cases(DENSE, NARROW, quick={"Adam", "Adafactor"}, left=costly),
    ids=str,
)
def test_narrow_parameters_are_those_of_float32_rounded_once(name, arguments, dtype):
    """Each update gives the weights of torch in float32 from the same weights, rounded."""
    begin = starts(name, dtype)
    own, optimizer = optimizer_of(getattr(ldt, name), begin, arguments)
    wide, judge = optimizer_of(getattr(torch.optim, name), [b.float() for b in begin], arguments)
    for step in range(STEPS):
        give_gradients(own, step)
        for a, b in zip(own, wide, strict=True):
            b.data.copy_(a)
            b.grad = None if a.grad is None else a.grad.float()
        before = [b.detach().clone() for b in wide]
        optimizer.step()
        judge.step()
        for a, b, start in zip(own, wide, before, strict=True):
            error = (a.float() - b).abs()
            spacing = torch.finfo(dtype).eps * b.abs().clamp(min=torch.finfo(dtype).tiny)
            movement = (b - start).abs()
            bound = BFLOAT16_PRODUCTS * movement.max() if name == "Muon" else 1e-5 * movement
            assert (error <= 0.501 * spacing + bound).all()
