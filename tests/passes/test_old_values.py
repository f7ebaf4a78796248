"""What reads an old value of a state gets it, of any shape and in any level; so does the oracle."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import learnerdsl as ld


def model_state_in_a_tensor(p, g):
    m, t = ld.state("m", shape="model"), ld.state("t", shape="tensor")
    new = [ld.assign(m, m + 1), ld.assign(t, ld.norm(g) + m)]
    return ld.combine([*new, ld.assign(p, p - g)])


def tensor_state_in_a_matrix(p, g):
    t, S = ld.state("t", shape="tensor", init=1.0), ld.state("S", shape=("rows", "rows"))
    product = ld.matmul(g, ld.transpose(g))
    new = [ld.assign(t, t + ld.norm(g)), ld.assign(S, t * product)]
    return ld.combine([*new, ld.assign(p, p - g)])


def model_state_in_a_vector(p, g):
    m, v = ld.state("m", shape="model", init=1.0), ld.state("v", shape="rows")
    new = [ld.assign(m, m + ld.norm(g, over="model")), ld.assign(v, m * ld.sum(g, axis=1))]
    return ld.combine([*new, ld.assign(p, p - m * g)])


def element_state_in_a_matrix(p, g):
    m, S = ld.state("m"), ld.state("S", shape=("rows", "rows"))
    m_new = ld.assign(m, 0.9 * m + g)
    return ld.combine([m_new, ld.assign(S, ld.matmul(m_new, ld.transpose(m))), ld.assign(p, p - g)])


def parameter_in_a_matrix(p, g):
    S = ld.state("S", shape=("cols", "cols"))
    p_new = ld.assign(p, p - g)
    return ld.combine([p_new, ld.assign(S, ld.matmul(ld.transpose(p), p_new))])


def states_that_swap(p, g):
    a, b = ld.state("a", init=1.0), ld.state("b", init=2.0)
    return ld.combine([ld.assign(a, b), ld.assign(b, a), ld.assign(p, p - a * g)])


def scalars_that_swap(p, g):
    a, b = ld.state("a", init=1.0, shape="tensor"), ld.state("b", init=2.0, shape="model")
    c = ld.state("c", init=3.0, shape="tensor")
    new = [ld.assign(a, c), ld.assign(c, a + b), ld.assign(b, b + ld.norm(g, over="model"))]
    return ld.combine([*new, ld.assign(p, p - a * g)])


def a_state_into_the_parameter(p, g):
    m = ld.state("m", init=5.0)
    return ld.combine([ld.assign(m, g), ld.assign(p, m)])


def a_number_into_a_matrix(p, g):
    S = ld.state("S", shape=("rows", "rows"))
    S_new = ld.assign(S, 2)
    return ld.combine([S_new, ld.assign(p, p - ld.matmul(S_new, g))])


def a_number_into_the_elements(p, g):
    s = ld.state("s")
    s_new = ld.assign(s, 2)
    product = ld.matmul(ld.matmul(p, ld.transpose(g)), s_new)
    return ld.combine([s_new, ld.assign(p, p - 0.01 * product)])


def a_matrix_in_a_norm_alone(p, g):
    product = ld.matmul(ld.matmul(g, ld.transpose(g)), g)
    return ld.assign(p, p - g * ld.norm(product))


OLD = {
    model_state_in_a_tensor: {"t": [12**0.5, 12**0.5 + 1, 12**0.5 + 2]},
    tensor_state_in_a_matrix: {"t": [1 + k * 12**0.5 for k in (1, 2, 3)]},
    model_state_in_a_vector: {},
    element_state_in_a_matrix: {},
    parameter_in_a_matrix: {},
    states_that_swap: {"a": [2, 1, 2]},
    scalars_that_swap: {"a": [3, 3, 3 + 2 + 12**0.5]},
    a_state_into_the_parameter: {"m": [1, 1, 1]},
    a_number_into_a_matrix: {"S": [2, 2, 2]},
    a_number_into_the_elements: {"s": [2, 2, 2]},
    a_matrix_in_a_norm_alone: {},
}


@pytest.mark.parametrize("function", OLD, ids=lambda function: function.__name__)
def test_what_reads_an_old_value_gets_it(function):
    shape, rule = (3, 4), ld.rule(function)
    found = {}
    for backend in ("cpu", "numpy"):
        p = np.arange(12.0).reshape(shape)
        learner = rule([p], backend=backend)
        found[backend] = []
        for update in range(3):
            learner.update([np.ones(shape)])
            states = {name: np.array(a) for name, a in learner.state[0].items()}
            for name, wanted in OLD[function].items():
                np.testing.assert_allclose(states[name], wanted[update])
            found[backend].append([p.copy(), *states.values(), *learner.model_state.values()])
    for compiled, interpreted in zip(*found.values(), strict=True):
        for one, other in zip(compiled, interpreted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13)


def test_a_state_that_a_constant_condition_keeps_is_kept():
    @ld.rule
    def rule(p, g):
        s = ld.state("s", init=3.0)
        return ld.combine([ld.assign(s, ld.where(ld.pi < 2, g, s)), ld.assign(p, p - g)])

    learner = rule([np.ones(2)])
    learner.update([np.ones(2)])
    assert_array_equal(learner.state[0]["s"], 3.0)


def test_a_state_that_starts_from_the_gradient_need_not_be_read():
    @ld.rule
    def last_gradient(p, g):
        last = ld.state("last", init=g)
        return ld.combine([ld.assign(last, 2 * g), ld.assign(p, p - g)])

    @ld.transform
    def halved(p, g):
        return g / 2

    for rule in (last_gradient, ld.chain(halved, last_gradient)):
        p = np.ones(2)
        learner = rule([p])
        learner.update([np.ones(2)])
        factor = 1.0 if rule is last_gradient else 0.5
        assert_array_equal(p, 1 - factor)
        assert_array_equal(learner.state[0]["last"], 2 * factor)
