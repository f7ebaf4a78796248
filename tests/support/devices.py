"""Run functions in a process in which JAX makes eight devices of the host."""

import json
import os
import subprocess
import sys

from support import ROOT, TESTS

FLAGS = (
    "--xla_force_host_platform_device_count=8",
    # What is compiled runs a few times only.
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
)


def on_eight_devices(*jobs):
    """Return what functions of `support.sharded_jax` return, as JSON has it.

    Args:
        jobs: for each call, a list of the name of a function and its arguments.
    """
    found = subprocess.run(
        [sys.executable, "-m", "support.sharded_jax", json.dumps(jobs)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, TESTS))),
            "XLA_FLAGS": " ".join(FLAGS),
            "JAX_PLATFORMS": "cpu",
            "JAX_ENABLE_X64": "1",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=900,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-4000:]
    return json.loads(found.stdout.splitlines()[-1])
