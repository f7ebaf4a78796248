"""Threads of updates, and what forks leave of them; each case in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiers import slow

import learnerdsl as ld

ROOT = Path(ld.__file__).parents[1]

BEGIN = """
import multiprocessing
import os
import threading
import time
import numba
import numpy as np
import learnerdsl as ld
from learnerdsl.learners import adam

SIZE = 300_000

def gradient(step):
    return np.sin(np.arange(SIZE) + step)

def new():
    return adam([np.ones(SIZE)], lr=0.1)

def advance(learner, steps=2):
    for step in range(steps):
        learner.update([gradient(step)])
    return learner.parameters[0].tobytes()

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print("child:", repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    limit = time.monotonic() + 60
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > limit:
            os.kill(child, 9)
            raise TimeoutError("the child hangs")
        time.sleep(0.01)
    return True
"""

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")


def run(code, **environment):
    """What a process prints that runs this code with two threads."""
    changed = {"OMP_NUM_THREADS": None, "NUMBA_NUM_THREADS": "2", **environment}
    variables = {**os.environ, **changed}
    found = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEGIN + code],
        cwd=ROOT,
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stderr == ""
    return found.stdout.splitlines()


# Forks


@forks
def test_learners_of_the_parent_and_new_ones_run_serially_in_a_child():
    code = """
old, other = new(), new()
before = advance(old)
assert advance(other) == before
assert old.threads.startswith("2 threads")
expected = advance(other)

def work():
    assert advance(old) == expected
    assert old.threads == "serial"
    fresh = new()
    assert advance(fresh) == before
    assert fresh.threads == "serial"
    assert ld.get_num_threads() == 1
    print("done", flush=True)

in_child(work)
in_child(lambda: in_child(work))
assert advance(old) == expected
print(old.threads[:9])
"""
    assert run(code) == ["done", "done", "2 threads"]


@forks
def test_more_threads_are_refused_in_a_child_with_a_sentence():
    code = """
learner = new()
advance(learner)

def work():
    ld.set_num_threads(1)
    try:
        ld.set_num_threads(2)
    except ld.HyperparameterError as error:
        print(error, flush=True)

in_child(work)
"""
    (sentence,) = run(code)
    assert sentence == (
        "Updates cannot use 2 threads: choose from 1 to 1; a fork does not copy threads, so "
        "updates of this process run serially."
    )


@forks
def test_a_child_has_threads_if_its_parent_had_started_none():
    code = """
small = adam([np.ones(3)])
small.update([np.ones(3)])

def work():
    learner = new()
    advance(learner)
    print(learner.threads[:9], flush=True)

in_child(work)
"""
    assert run(code) == ["2 threads"]


@forks
@pytest.mark.parametrize("layer", ["default", slow("workqueue")])
def test_a_pool_of_forked_processes_works(layer):
    code = """
def work(number):
    return advance(new()), multiprocessing.current_process().name

expected = advance(new())
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map_async(work, range(4)).get(timeout=60)
assert {weights for weights, _ in found} == {expected}
print("done")
"""
    assert run(code, NUMBA_THREADING_LAYER=layer) == ["done"]


@forks
@pytest.mark.slow
def test_a_fork_while_other_threads_launch_and_compile_leaves_a_child_that_works():
    code = """
expected = advance(new())
stop = threading.Event()

def launch():
    learner = new()
    while not stop.is_set():
        learner.update([gradient(0)])

def compile_rules():
    number = 0
    while not stop.is_set():
        number += 1
        def r(p, g, number=float(number)):
            return ld.assign(p, p - g * (number + compiled))
        compiled = number
        ld.rule(r)([np.ones(3)])

def work():
    assert advance(new()) == expected
    ld.rule(rule_of_child)([np.ones(3)]).update([np.ones(3)])

def rule_of_child(p, g):
    return ld.assign(p, p - 77 * g)

threads = [threading.Thread(target=target) for target in (launch, compile_rules)]
for thread in threads:
    thread.start()
for _ in range(6):
    time.sleep(0.05)
    in_child(work)
stop.set()
for thread in threads:
    thread.join()
print("done")
"""
    assert run(code) == ["done"]


@forks
@pytest.mark.parametrize(
    "lock",
    ["learnerdsl.expr.operators._installation.lock", "learnerdsl.runtime.turns._one_look"],
)
def test_a_fork_while_another_thread_holds_a_lock_leaves_a_child_that_works(lock):
    code = f"""
import learnerdsl.expr.operators, learnerdsl.runtime.turns
expected, lock, held = advance(new()), {lock}, threading.Event()

def hold():
    with lock:
        held.set()
        time.sleep(0.5)

def work():
    with lock:
        pass
    assert advance(new()) == expected

thread = threading.Thread(target=hold)
thread.start()
held.wait()
in_child(work)
thread.join()
print("done")
"""
    assert run(code) == ["done"]


@forks
def test_a_trace_of_another_thread_does_not_go_on_in_the_child():
    code = """
import sympy
from learnerdsl.expr.operators import _installation, operators_of_rules
own, go_on, inside = sympy.Basic.__eq__, threading.Event(), threading.Event()

def trace():
    with operators_of_rules():
        inside.set()
        go_on.wait()

def work():
    assert _installation.traces == 0
    assert sympy.Basic.__eq__ is _installation.originals[sympy.Basic, "__eq__"]
    assert "__bool__" not in vars(sympy.Expr)
    advance(new())

thread = threading.Thread(target=trace)
thread.start()
inside.wait()
in_child(work)
go_on.set()
thread.join()
assert _installation.traces == 0
print("done")
"""
    assert run(code) == ["done"]


# How many


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ["2 2 threads"]),
        ({"NUMBA_NUM_THREADS": "1"}, ["1 serial"]),
        ({"OMP_NUM_THREADS": "1"}, ["2 2 threads"]),
    ],
    ids=["Numba's", "one of Numba's", "Numba's before OpenMP's"],
)
def test_the_number_of_threads_follows_numba(environment, expected):
    code = "learner = new()\nadvance(learner)\nprint(ld.get_num_threads(), learner.threads[:9])"
    assert run(code, **environment) == expected


@pytest.mark.parametrize("value", ["1", slow("1,4")])
def test_without_a_number_for_numba_that_for_openmp_counts(value):
    code = "learner = new()\nadvance(learner)\nprint(ld.get_num_threads(), learner.threads)"
    assert run(code, OMP_NUM_THREADS=value, NUMBA_NUM_THREADS=None) == ["1 serial"]


def test_the_number_of_threads_holds_for_learners_that_exist_and_changes_no_result():
    code = """
learner, serial = new(), new()
for count in (2, 1, 2, np.int64(1)):
    ld.set_num_threads(1)
    expected = advance(serial)
    ld.set_num_threads(count)
    assert advance(learner) == expected
    print(ld.get_num_threads(), learner.threads.partition(" (")[0])
"""
    assert run(code) == ["2 2 threads", "1 serial", "2 2 threads", "1 serial"]


def test_the_number_of_threads_holds_in_all_threads_of_python():
    code = """
ld.set_num_threads(1)
found = []

def work():
    learner = new()
    advance(learner)
    found.append((ld.get_num_threads(), learner.threads))
    ld.set_num_threads(2)

thread = threading.Thread(target=work)
thread.start()
thread.join()
learner = new()
advance(learner)
print(found[0], ld.get_num_threads(), learner.threads[:9])
"""
    assert run(code) == ["(1, 'serial') 2 2 threads"]


def test_an_update_leaves_the_number_of_threads_of_numba_alone():
    code = """
@numba.njit(parallel=True)
def count():
    return numba.get_num_threads()

ld.set_num_threads(2)
numba.set_num_threads(1)
learner = new()
advance(learner)
print(numba.get_num_threads(), ld.get_num_threads(), learner.threads[:9])
"""
    assert run(code) == ["1 2 2 threads"]


def test_a_number_set_for_numba_holds_where_none_was_set_for_updates():
    code = """
numba.set_num_threads(1)
learner = new()
advance(learner)
print(ld.get_num_threads(), learner.threads)
"""
    assert run(code) == ["1 serial"]


@pytest.mark.slow
def test_updates_in_one_thread_while_another_changes_the_number_stay_right():
    code = """
learner, other = new(), new()
stop = threading.Event()

def change():
    while not stop.is_set():
        ld.set_num_threads(1)
        ld.set_num_threads(2)

thread = threading.Thread(target=change)
thread.start()
found = advance(learner, 200)
stop.set()
thread.join()
print(found == advance(other, 200))
"""
    assert run(code) == ["True"]


@pytest.mark.parametrize("count", [0, -1, 10**6, 1.0, 1.5, "1", None, True, float("nan")])
def test_a_number_of_threads_that_cannot_be_is_refused(count):
    before = ld.get_num_threads()
    with pytest.raises(ld.HyperparameterError, match="Updates cannot use") as caught:
        ld.set_num_threads(count)
    assert repr(count) in str(caught.value)
    assert ld.get_num_threads() == before
