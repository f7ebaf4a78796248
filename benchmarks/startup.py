"""Start-up: seconds from the start of a process to the end of its first update.

Every number comes from a fresh Python process that imports one library, makes Adam for a tensor of
a million elements, does one update and reports when that was done.
"""

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAME = "startup"
INSTALLED = "learnerdsl, first process after installation"
FIRST = "learnerdsl, first process"
SECOND = "learnerdsl, second process"
EXPECTED = {SECOND: 1.2}
"""What is started -> seconds that it is expected to need at most."""

OURS = """
import time
import numpy as np
from learnerdsl.learners import adam
learner = adam([np.ones(10**6, np.float32)])
learner.update([np.ones(10**6, np.float32)])
print(time.monotonic())
"""

TORCH = """
import time
import torch
parameter = torch.nn.Parameter(torch.ones(10**6))
parameter.grad = torch.ones(10**6)
torch.optim.Adam([parameter], fused=True).step()
print(time.monotonic())
"""

OPTAX = """
import time
import jax
import optax
transform = optax.adam(1e-3)
def update(parameters, state, gradients):
    updates, state = transform.update(gradients, state, parameters)
    return optax.apply_updates(parameters, updates), state
parameters = jax.numpy.ones(10**6)
step = jax.jit(update, donate_argnums=(0, 1))
result = step(parameters, transform.init(parameters), jax.numpy.ones(10**6))
jax.block_until_ready(result)
print(time.monotonic())
"""

PEERS = {"torch fused": (TORCH, ("torch",)), "optax jit": (OPTAX, ("jax", "optax"))}
"""Peer -> its program, and the modules that must be installed. They keep nothing on disk."""


def measure_startup(repeats: int) -> dict[str, float]:
    """Start everything `repeats` times in turn.

    Returns:
        What is started -> median seconds. After installation a process compiles the launcher and
        Adam. The first process finds the launcher on disk and compiles Adam; the second process
        finds both.
    """
    programs = {
        name: program
        for name, (program, needs) in PEERS.items()
        if all(importlib.util.find_spec(module) for module in needs)
    }
    seconds: dict[str, list[float]] = {}
    for _ in range(repeats):
        found = start_ours() | {name: start(program, {}) for name, program in programs.items()}
        for name, value in found.items():
            seconds.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in seconds.items()}


def start_ours() -> dict[str, float]:
    """Start processes that find nothing, only the launcher, and all kernels on disk."""
    with tempfile.TemporaryDirectory() as directory:
        keep = {"LEARNERDSL_CACHE_DIR": directory}
        found = {INSTALLED: start(OURS, keep)}
        for path in Path(directory).rglob("*"):
            if path.is_file() and not path.name.startswith("launch-"):
                path.unlink()
        return {**found, FIRST: start(OURS, keep), SECOND: start(OURS, keep)}


def start(program: str, environment: dict[str, str]) -> float:
    """Seconds from now until the program says that its first update is done.

    Parent and child read the same clock of the system.
    """
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout) - begin
