"""Domains: over what each value is computed."""

import numpy as np
from support.rules import largest_gradients

import learnerdsl as ld
from learnerdsl.ir import Domain


def test_domains_are_the_widest_of_the_operands():
    kernel = largest_gradients.stages()["domains"]
    known = {str(symbol): domain for symbol, domain in kernel.domains.items()}
    assert known["top_new"] == Domain.MODEL
    assert known["peak_new"] == Domain.TENSOR
    assert known["p_new"] == Domain.ELEMENT


def test_squares_and_products_are_reduced_in_float64_also_where_they_are_shared():
    @ld.rule
    def tiny(p, g, lr=1.0):
        square = ld.let("square", g**2)
        total = ld.norm(g) + ld.norm(g, over="model") + ld.sqrt(ld.sum(2 * g * p))
        return ld.assign(p, p - lr * total * (1 + square))

    start = np.full(4, 1e-25, np.float32)
    weights = start.copy()
    tiny([weights]).update([start.copy()])
    np.testing.assert_allclose(weights, start * (1 - 4 - np.sqrt(8)), rtol=1e-6)
