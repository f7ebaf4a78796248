"""What Adam could reach at best: its memory traffic alone, and its loop written by hand."""

import functools

import numba
import numpy as np

import learnerdsl as ld
from benchmarks.peers import BETA1, BETA2, EPS, LR, Arrays, Peer, PeerKind
from learnerdsl.inspection import machine

traffic_only = ld.rule(machine.traffic_only)


def traffic_rule(params: Arrays, grads: Arrays) -> Peer:
    """The bytes of Adam through the launcher of learnerdsl."""
    learner = traffic_only(params)
    return Peer(functools.partial(learner.update, grads), lambda: params)


@numba.njit(parallel=True, error_model="numpy", cache=True)
def add_all(p: np.ndarray, g: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """The loop of `traffic_only` written by hand."""
    for i in numba.prange(p.size):
        a_new = g[i] - a[i]
        b_new = g[i] - b[i]
        a[i] = a_new
        b[i] = b_new
        p[i] = p[i] + a_new - b_new


def traffic_loop(params: Arrays, grads: Arrays) -> Peer:
    """The bytes of Adam in a parallel loop over one flat tensor; owes nothing to learnerdsl."""
    (p,), (g,) = params, grads
    a, b = np.zeros_like(p), np.zeros_like(p)
    return Peer(functools.partial(add_all, p, g, a, b), lambda: params)


@numba.njit(parallel=True, error_model="numpy", cache=True)
def adam_by_hand(
    p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, count: np.ndarray
) -> None:
    """Adam as one parallel loop; `count` holds the number of updates done."""
    count[0] += 1.0
    rate = np.float32(LR / (1 - BETA1 ** count[0]))
    correction = np.float32(1 / (1 - BETA2 ** count[0]))
    beta1, beta2, eps = np.float32(BETA1), np.float32(BETA2), np.float32(EPS)
    rest1, rest2 = np.float32(1 - BETA1), np.float32(1 - BETA2)
    for i in numba.prange(p.size):
        m_new = beta1 * m[i] + rest1 * g[i]
        v_new = beta2 * v[i] + rest2 * g[i] * g[i]
        m[i] = m_new
        v[i] = v_new
        p[i] = p[i] - rate * m_new / (np.sqrt(correction * v_new) + eps)


def numba_loop(params: Arrays, grads: Arrays) -> Peer:
    """Adam in a parallel loop over one flat tensor, written by hand."""
    (p,), (g,) = params, grads
    m, v = np.zeros_like(p), np.zeros_like(p)
    return Peer(functools.partial(adam_by_hand, p, g, m, v, np.zeros(1)), lambda: params)


TRAFFIC = PeerKind("traffic only", traffic_rule, is_optimizer=False)
TRAFFIC_LOOP = PeerKind("traffic loop", traffic_loop, is_optimizer=False)
NUMBA_LOOP = PeerKind("numba by hand", numba_loop)
