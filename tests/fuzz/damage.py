"""Damaged checkpoints, killed processes and threads, each as a function of a seed."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np

import learnerdsl as ld


@ld.rule
def heavy_ball(p, g, lr=0.25, mu=0.5):
    v = ld.state("v")
    return ld.assign(p, p - lr * ld.assign(v, mu * v + g))


def trained(updates=2):
    """A learner and its parameters after some updates."""
    params = {"w": np.ones((3, 4)), "b": np.ones(4, np.float64)}
    learner = heavy_ball(params)
    for _ in range(updates):
        learner.update({name: np.full_like(p, 0.5) for name, p in params.items()})
    return learner, params


def damaged(data, rng):
    """A file's bytes with one thing wrong."""
    data = bytearray(data)
    kind = rng.choice(("flip", "cut", "zeros", "swap", "grow", "text"))
    place = rng.randrange(len(data))
    if kind == "flip":
        data[place] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[place:]
    elif kind == "zeros":
        data[place : place + 16] = bytes(len(data[place : place + 16]))
    elif kind == "swap":
        other = rng.randrange(len(data))
        data[place], data[other] = data[other], data[place]
    elif kind == "grow":
        data[place:place] = rng.randbytes(rng.choice((1, 8, 100)))
    else:
        data[place : place + 1] = rng.choice((b'"', b"[", b"{", b"null", b"1e999", b"\xff"))
    return bytes(data)


def damaged_checkpoints(seed, count, folder):
    """Loads of damaged files that raise anything but a LearnerError, or change a learner then."""
    rng = random.Random(seed)
    learner, _ = trained(1)
    good = folder / "good.safetensors"
    learner.save(good)
    content, bad = good.read_bytes(), folder / "bad.safetensors"
    found = []
    for number in range(count):
        bad.write_bytes(damaged(content, rng))
        other, params = trained(2)
        before = repr(other.state_dict()), [p.tobytes() for p in params.values()]
        try:
            other.load(bad)
        except ld.LearnerError:
            after = repr(other.state_dict()), [p.tobytes() for p in params.values()]
            if after != before:
                found.append(f"{number}: refused, but the learner has changed")
        except Exception as error:
            found.append(f"{number}: {type(error).__name__}: {str(error)[:120]}")
    return found


SAVING = """
import sys
sys.path.insert(0, {tests!r})
from fuzz.damage import trained
learner, _ = trained(1)
print("ready", flush=True)
while True:
    learner.save({path!r})
"""


def killed_while_saving(seed, count, folder):
    """Saves that are killed: the file that is there must load."""
    rng = random.Random(seed)
    path = folder / "kept.safetensors"
    trained(1)[0].save(path)
    tests = os.path.dirname(os.path.dirname(__file__))
    found = []
    for number in range(count):
        code = SAVING.format(tests=tests, path=str(path))
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        try:
            trained(2)[0].load(path)
        except Exception as error:
            found.append(f"{number}: {type(error).__name__}: {str(error)[:120]}")
    return found


def learners_in_threads(seed, count):
    """Learners of their own in threads: each must end where it ends alone."""
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(20, 50))
    ends = [None] * count

    def work(k):
        params = [np.ones(50)]
        learner = heavy_ball(params)
        for gradient in gradients:
            learner.update([gradient.copy()])
        ends[k] = params[0]

    work(0)
    alone = ends[0].copy()
    ends = [None] * count
    threads = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return [f"thread {k}" for k, end in enumerate(ends) if not np.array_equal(end, alone)]
