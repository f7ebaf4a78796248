"""What all tests share: a cache directory of their own, and golden files."""

import atexit
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from support.tiers import FEW

# Before learnerdsl is used, and inherited by the worker processes of pytest-xdist.
if "LEARNERDSL_CACHE_DIR" not in os.environ:
    _cache = os.environ["LEARNERDSL_CACHE_DIR"] = tempfile.mkdtemp(prefix="learnerdsl-tests-")
    atexit.register(shutil.rmtree, _cache, ignore_errors=True)

GOLDEN = Path(__file__).parent / "golden"
collect_ignore_glob = ["golden/*"]  # kernels, not tests
if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
    # Numba decides when it is imported whether CUDA is simulated: a process of its own runs these.
    collect_ignore_glob.append("simulator/*")


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write golden files again")
    parser.addoption(
        "--until", type=float, help="skip what has not begun at this time, in seconds since 1970"
    )


def pytest_runtest_setup(item):
    """Skip a test for which no time is left, so that what ran is reported."""
    until = item.config.getoption("--until")
    if until is not None and time.time() > until:
        pytest.skip("no time is left; see --until")


def pytest_collection_modifyitems(items):
    """Mark the examples of builtins slow, but for those of few representatives.

    Those of the classes for PyTorch repeat these, so they are costly.
    """
    few = {name.replace("_", "") for name in FEW}
    for item in items:
        folder, name = item.path.parent, item.name.rpartition(".")[2]
        is_class = folder.name == "torch" and item.path.name == "__init__.py"
        if folder.parent.name != "learnerdsl" or not (is_class or folder.name == "learners"):
            continue
        if name.replace("_", "").lower() not in few:
            item.add_marker(pytest.mark.slow)
            if is_class:
                item.add_marker(pytest.mark.costly)


@pytest.fixture
def golden(request):
    """Compare a text with the golden file of the test and the case; a missing file fails."""

    def check(text):
        case = request.node.callspec.id
        path = GOLDEN / request.path.stem / f"{case}.py"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing; run pytest --update-golden and read it"
        assert path.read_text() == text

    return check
