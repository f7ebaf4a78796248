"""Optimizers use the threads of torch; each case in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import learnerdsl as ld

ROOT = Path(ld.__file__).parents[1]

BEGIN = """
import numpy as np
import torch
import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl.learners import adam

p = torch.nn.Parameter(torch.ones(300_000))
q = torch.nn.Parameter(torch.ones(300_000, dtype=torch.bfloat16))
optimizer = ldt.AdamW([p, q])

def threads():
    p.grad, q.grad = torch.ones_like(p), torch.ones_like(q)
    optimizer.step()
    engine = optimizer._members[0].learner._engine
    assert {own.threads for own in engine.engines} == {engine.threads}
    return engine.threads.split()[0]
"""


def run(code, **environment):
    """What a process prints that runs this code with at most two threads of Numba."""
    variables = {**os.environ, "NUMBA_NUM_THREADS": "2", **environment}
    variables.pop("OMP_NUM_THREADS", None) if "OMP_NUM_THREADS" not in environment else None
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BEGIN + code],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout.split()


def test_each_step_follows_torch():
    code = """
for count in (1, 2, 1, 7):
    torch.set_num_threads(count)
    print(threads(), torch.get_num_threads())
"""
    assert run(code) == ["serial", "1", "2", "2", "serial", "1", "2", "7"]


def test_processes_of_torchrun_have_one_thread_until_they_ask_for_more():
    code = """
print(threads(), torch.get_num_threads())
torch.set_num_threads(2)
print(threads(), torch.get_num_threads())
"""
    assert run(code, OMP_NUM_THREADS="1") == ["serial", "1", "2", "2"]


def test_number_for_all_updates_is_a_limit():
    code = """
torch.set_num_threads(2)
ld.set_num_threads(1)
print(threads())
ld.set_num_threads(2)
print(threads())
"""
    assert run(code) == ["serial", "2"]


def test_starting_threads_leaves_those_of_torch_alone():
    code = """
torch.set_num_threads(5)
array = np.ones(300_000)
learner = adam([array])
learner.update([array * 2])
print(learner.threads.split()[0], torch.get_num_threads())
"""
    assert run(code, OMP_NUM_THREADS="2") == ["2", "5"]
