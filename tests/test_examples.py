"""The examples run as a reader would run them."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
FLOOR = 90.0  # per cent; 8 epochs reach 96


def run_example(
    name: str, *arguments: str, launcher: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *launcher, f"examples/{name}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def test_quickstart_trains_three_learners_and_plots_their_losses(tmp_path):
    for module in ("autograd", "matplotlib", "sklearn", "tqdm"):
        pytest.importorskip(module)

    done = run_example("quickstart.py", "--quick", "--out", str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    rows = re.findall(r"^(\w+) +([\d.]+)% +[\d.]+ +[\d.]+$", done.stdout, re.MULTILINE)
    accuracies = {name: float(value) for name, value in rows}
    assert list(accuracies) == ["warm_rmsprop", "adam", "momentum_sgd"]
    assert min(accuracies.values()) > FLOOR, accuracies
    plot = (tmp_path / "quickstart.png").read_bytes()
    assert plot.startswith(PNG_SIGNATURE)
    assert len(plot) > 10_000


@pytest.mark.slow
def test_sharded_training_is_that_of_one_process(tmp_path):
    pytest.importorskip("torch")
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone")
    arguments = ("--steps", "20", "--folder", str(tmp_path))
    done = run_example("torch_fsdp.py", *arguments, launcher=launcher)
    assert done.returncode == 0, done.stderr
    difference = float(re.findall(r"training on one process: (\S+)", done.stdout)[0])
    assert difference < 1e-6


def test_torch_digits_trains_and_resumes():
    pytest.importorskip("torch")

    done = run_example("torch_digits.py")

    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    rows = re.findall(r"^(\w+) +([\d.]+)%   (True|False)$", done.stdout, re.MULTILINE)
    assert [name for name, *_ in rows] == ["CautiousMomentum", "Lion", "AdamW"]
    assert min(float(accuracy) for _, accuracy, _ in rows) > FLOOR, rows
    assert all(is_equal == "True" for *_, is_equal in rows)


def test_jax_digits_trains():
    for module in ("jax", "optax", "sklearn"):
        pytest.importorskip(module)

    done = run_example("jax_digits.py")

    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    rows = re.findall(r"^(\S+(?: rule)?) +([\d.]+)%$", done.stdout, re.MULTILINE)
    assert [name for name, _ in rows] == ["own rule", "lion", "clip+adamw", "optax.adamw"]
    assert min(float(accuracy) for _, accuracy in rows) > FLOOR, rows


def test_jax_trains_on_eight_devices_as_on_one():
    for module in ("jax", "optax"):
        pytest.importorskip(module)

    done = run_example("jax_sharded.py")

    assert done.returncode == 0, done.stderr
    assert "moved" not in done.stdout
    number = r"([\d.]+(?:e-\d+)?)"
    rows = re.findall(rf"^(\S.*?) +{number} +{number} +{number}  (.+)$", done.stdout, re.MULTILINE)
    assert [name for name, *_ in rows] == ["LAMB", "Muon", "Muon of optax"]
    assert max(float(difference) for *_, difference, _ in rows) < 1e-5, rows
    exchanged = {name: sum(map(int, re.findall(r"\d+", counts))) for name, *_, counts in rows}
    assert 0 < exchanged["Muon"] < exchanged["Muon of optax"] / 4
