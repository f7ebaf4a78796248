"""The generated source for CUDA: golden files, names that must not meet, orders that must hold."""

import numpy as np
import pytest
from support.ptx_device import device
from support.rules import my_rmsprop

import learnerdsl as ld
from learnerdsl.kernels.cuda_compile import CudaKernel
from learnerdsl.runtime import cache
from learnerdsl.runtime.cuda.engine import load_kernels

__all__ = ["device"]


def test_loops_are_the_functions_over_memory():
    text = my_rmsprop.loops("cuda")
    assert text.startswith("@element\ndef my_rmsprop_element_1(")
    assert "@element_pass\ndef my_rmsprop_pass_1(" in text
    assert "import" not in text


def test_the_plan_is_that_of_the_cpu():
    assert my_rmsprop.program("cuda").kernel == my_rmsprop.program("cpu").kernel


@ld.rule
def awkward(p, g, p_0=0.1, lanes=0.5, packs=2.0, scratch=0.25, m_new_1=3.0):
    """A rule whose names are those that the generated code would like to have."""
    m, thread = ld.state("m"), ld.state("thread", init=1.0)
    m_new = ld.assign(m, lanes * m + p_0 * g)
    sync = ld.let("sync", m_new + scratch * thread)
    thread_new = ld.assign(thread, thread * packs / (1 + ld.abs(sync)))
    p_1 = ld.let("p_1", thread_new - m_new_1 * m_new)
    return ld.assign(p, p - p_0 * p_1)


@ld.rule
def exchange(p, g, lr=0.5):
    """States that take each other's values, and one that takes the gradient."""
    a, b, c = ld.state("a", init=1.0), ld.state("b", init=2.0), ld.state("c")
    new = ld.assign(a, b), ld.assign(b, a), ld.assign(c, g)
    return ld.combine([*new, ld.assign(p, p - lr * (c + a))])


@ld.rule
def in_order(p, g, lr=0.5):
    """A sum whose roundings have an order."""
    return ld.assign(p, p - lr * ld.sum(g, block=4) * g)


@pytest.mark.parametrize("rule", [awkward, exchange, in_order])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rule_follows_the_oracle(rule, dtype, device):
    rng = np.random.default_rng(4)
    start, *given = rng.standard_normal((3, 61, 83)).astype(dtype)
    oracle = rule([start.copy()], backend="numpy")
    learner = rule([device.array(start)])
    for g in given:
        oracle.update([g])
        learner.update([device.array(g)])
    expected = oracle.parameters[0]
    tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype] * np.abs(expected).max()
    got = learner.parameters[0].copy_to_host()
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


def test_sums_in_a_given_order_are_bitwise_those_of_the_cpu(device):
    rng = np.random.default_rng(5)
    start, given = rng.standard_normal((2, 70, 70)).astype(np.float32)
    host, learner = in_order([start.copy()]), in_order([device.array(start)])
    host.update([given])
    learner.update([device.array(given)])
    np.testing.assert_array_equal(learner.parameters[0].copy_to_host(), host.parameters[0])


@pytest.mark.parametrize("kind", ["ptx", "cubin"])
def test_what_was_compiled_is_kept_on_disk_and_damage_is_found(kind, tmp_path, monkeypatch):
    pytest.importorskip("cuda.core")
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(tmp_path))
    make = getattr(CudaKernel, kind)

    def kernel():
        """The pass of a rule, in a module that is loaded anew."""
        monkeypatch.setattr(cache, "_loaded", {})
        return load_kernels(my_rmsprop.program("cuda")).my_rmsprop_pass_1

    first = make(kernel(), (9, 0))
    (path,) = tmp_path.glob(f"my_rmsprop_pass_1-*.sm_90.{kind}")
    written = path.read_bytes()
    with monkeypatch.context() as context:
        context.setattr(CudaKernel, "_compile", None)
        assert make(kernel(), (9, 0)) == first
    path.write_bytes(written[:-100])
    assert make(kernel(), (9, 0)) == first
    assert path.read_bytes() == written
