"""What the tests on a GPU start from: the GPU itself, and the libraries whose arrays are on it."""

import os

import pytest
from gpu.devices import OfCupy, OfNumba, OfTorch, compile_builtins, count_devices


@pytest.fixture(scope="session")
def gpu():
    """A GPU that the driver finds."""
    if not count_devices():
        pytest.skip("there is no CUDA device: the driver finds none")


@pytest.fixture(scope="session")
def torch(gpu):
    """PyTorch, if it can use the GPU."""
    library = pytest.importorskip("torch")
    if not library.cuda.is_available():
        pytest.skip("this PyTorch cannot use the GPU")
    return library


@pytest.fixture(scope="session")
def of_torch(torch):
    return OfTorch(torch)


@pytest.fixture(scope="session")
def of_cupy(gpu):
    return OfCupy(pytest.importorskip("cupy"))


@pytest.fixture(scope="session")
def of_numba(gpu):
    return OfNumba(pytest.importorskip("numba.cuda"))


@pytest.fixture(scope="session")
def kernels(request, torch):
    """The kernels of the builtins that are tested, compiled before one is needed."""
    cases = [
        (item.callspec.params["name"], item.callspec.params["dtype"])
        for item in request.session.items
        if "kernels" in getattr(item, "fixturenames", ())
    ]
    # Workers of pytest-xdist compile what they need: they are many processes already.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        compile_builtins(cases, torch.cuda.get_device_capability())
