"""Calls of NVIDIA's driver through its bindings, into a driver that has no GPU."""

import os
import shutil
import subprocess
import sys

import pytest
from support import TESTS

pytest.importorskip("numba_cuda", reason="kernels for CUDA are compiled by numba-cuda")
SUPPORT = TESTS / "support"
COMPILER = shutil.which("cc")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """What the driver was asked for by `driven.py`, line by line."""
    if COMPILER is None:
        pytest.skip("there is no C compiler to build the driver with")
    folder = tmp_path_factory.mktemp("driver")
    library = folder / "libcuda.so.1"
    options = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", str(library)]
    subprocess.run([COMPILER, *options, str(SUPPORT / "stub_driver.c"), "-ldl"], check=True)
    path = f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "driven.py")],
        env={**os.environ, "LD_LIBRARY_PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def between(log, start, stop):
    """The lines between two that `driven.py` prints."""
    first = log.index(start) + 1
    return log[first : first + next(k for k, li in enumerate(log[first:]) if li.startswith(stop))]


ADAM = [
    "launch begin 1x1x1 of 256x1x1 on 0x77 first set",
    "launch adam_scalars_1 1x1x1 of 256x1x1 on 0x77 first set",
    "launch adam_pass_1 2x1x1 of 256x1x1 on 0x77 first set",
]


def test_the_device_is_described(log):
    assert log[0] == "Stub (9, 0)"
    assert "state (90, 60) Stub" in log


def test_kernels_are_loaded_as_machine_code_when_a_learner_is_made(log):
    before = log[: log.index("update")]
    assert before.count("module ELF") == 4
    assert "module ELF" not in between(log, "update", "capture")


def test_the_first_update_sends_addresses_and_numbers_and_the_second_nothing(log):
    first, second = log.index("update"), log.index("update", log.index("update") + 1)
    sent = [line for line in log[first:second] if line.startswith("send")]
    assert sorted(sent) == ["send 32 on 0x77", "send 64 on 0x77"]
    assert [line for line in log[first:second] if line.startswith("launch")] == ADAM
    assert log[second + 1 : second + 4] == ADAM


def test_a_captured_update_sends_its_addresses_from_locked_memory(log):
    assert between(log, "capture", "refresh") == ["send 32 on 0x77 in a graph", *ADAM]


def test_refresh_sends_numbers_and_starts_nothing(log):
    lines = between(log, "refresh", "skip")
    assert not [line for line in lines if line.startswith("launch")]
    assert "send 64 on 0x77" in lines


def test_a_check_of_gradients_runs_first(log):
    launched = [line.split()[1] for line in between(log, "skip", "done") if "launch" in line]
    assert launched == [
        *("put_column", "count_nonfinite", "count_nonfinite", "begin"),
        *("lamb_scalars_1", "lamb_pass_1", "combine", "lamb_tensor_scalars_2", "lamb_pass_2"),
    ]
    assert "done True" in log


def test_errors_of_the_driver_are_told(log):
    assert "The CUDA driver answers CUDA_ERROR: a reason." in log


def test_memory_is_given_back(log):
    assert log[-1].startswith("held")
    most = log.index("end")
    given = len([line for line in log[most:] if line.startswith("held")])
    # The tables, the states and the locked memory of two learners.
    assert given > 20
