"""Functions of whole matrices by PyTorch, on tensors of the CPU, beside NumPy's."""

import numpy as np
import pytest
from support.battery import RULES
from support.ptx_device import FUNCTIONS_OF_MATRICES

from learnerdsl.expr import array_shape
from learnerdsl.ir import Rank
from learnerdsl.kernels import linalg
from learnerdsl.runtime.cpu import engine
from learnerdsl.runtime.cuda.engine import load_kernels
from learnerdsl.runtime.cuda.linalg import TorchMatrices

torch = pytest.importorskip("torch")
SHAPE = (5, 4)
IN_BASES = frozenset({"kl_shampoo", "kl_soap", "soap"})


@pytest.fixture
def xp():
    """PyTorch under NumPy's names, for matrices of float64."""
    namespace = TorchMatrices(torch)
    namespace.array(torch.zeros(1, dtype=torch.float64))
    return namespace


def values(program, rng):
    """A matrix for every array that the functions of a rule may meet; squares are symmetric."""
    found = {}
    for symbol, domain in program.kernel.domains.items():
        if domain.rank >= Rank.ELEMENT:
            shape = array_shape(domain.sides, SHAPE)
            value = rng.uniform(0, 1, shape)
            value = value @ value.T if shape[0] == shape[1] else value
            found[str(symbol)] = value / np.linalg.norm(value)
    return found


@pytest.mark.parametrize("step", [1.0, 10.0, 11.0])
@pytest.mark.parametrize("name", FUNCTIONS_OF_MATRICES)
def test_generated_functions_do_in_torch_what_they_do_in_numpy(name, step, xp):
    rng = np.random.default_rng([3, *name.encode()])
    host, device = (RULES[name].program(t, "float64", shape=SHAPE) for t in ("cpu", "cuda"))
    model = rng.uniform(0.1, 0.9, len(host.layout.model))
    model[0] = step
    tensor = rng.uniform(0.1, 0.9, len(host.layout.tensor))
    mine = values(host, rng)
    theirs = {key: torch.tensor(value) for key, value in mine.items()}
    modules = engine.load_kernels(host), load_kernels(device)
    functions = [level.matrix for level in host.levels if level.matrix]
    assert functions == [level.matrix for level in device.levels if level.matrix]
    assert functions
    for function in functions:
        getattr(modules[0], function)(mine, model, tensor)
        with torch.no_grad():
            getattr(modules[1], function)(xp, theirs, model, tensor)
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            got = theirs[key].numpy()
            # Eigenvectors are those of another routine: up to a sign, as is what has them as bases.
            same_sign = np.abs if "basis" in key or name in IN_BASES else np.asarray
            np.testing.assert_allclose(same_sign(got), same_sign(value), rtol=1e-8, atol=1e-9)


def test_scalars_on_the_device_take_the_type_of_the_matrices(xp):
    rows = torch.tensor([0.5, 2.0], dtype=torch.float64)
    matrix = torch.ones((2, 2), dtype=torch.float32)
    assert (xp.scalar(rows[1]) * matrix).dtype == torch.float32
    assert xp.scalar(np.float64(0.5)) == 0.5
    assert isinstance(xp.scalar(np.float64(0.5)), float)


@pytest.mark.parametrize("function", ["inverse_root", "eigenvectors"])
def test_matrices_that_are_not_finite_give_nan(function, xp):
    a = np.stack([np.eye(3), np.full((3, 3), np.nan)])
    more = (2.0,) if function == "inverse_root" else ()
    expected = getattr(linalg, function)(a, *more)
    got = getattr(xp, function)(torch.tensor(a), *more).numpy()
    assert np.isnan(got[1]).all()
    np.testing.assert_allclose(np.abs(got), np.abs(expected))


def test_elementwise_functions_have_numpys_names(xp):
    a = torch.linspace(-0.9, 0.9, 5, dtype=torch.float64)
    for name in ("abs", "sign", "sqrt", "exp", "arcsin", "arccos", "arctan", "tanh", "floor"):
        with np.errstate(invalid="ignore"):
            expected = getattr(np, name)(a.numpy())
        np.testing.assert_allclose(getattr(xp, name)(a).numpy(), expected, rtol=1e-14)
    np.testing.assert_array_equal(xp.maximum(a, 0.25), np.maximum(a.numpy(), 0.25))
    np.testing.assert_array_equal(xp.where(a > 0, a, 0.0), np.where(a > 0, a, 0.0))
    np.testing.assert_array_equal(xp.eye(3, dtype=torch.float64), np.eye(3))
