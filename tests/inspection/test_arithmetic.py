"""What counts as arithmetic of elements."""

import learnerdsl as ld
from learnerdsl.inspection.arithmetic import flops_of_matrices


def test_functions_of_matrices_are_no_arithmetic_of_elements():
    @ld.rule
    def triangular(p, g, lr=0.1):
        gram = ld.let("gram", ld.matmul(g, ld.transpose(g)))
        upper, lower = ld.let("upper", ld.triu(gram)), ld.let("lower", ld.tril(gram))
        top = ld.let("top", ld.take_rows(lower, ld.top_rows(ld.diagonal(gram), 1)))
        return ld.assign(p, p - lr * ld.matmul(upper, g) * ld.sum(top))

    kernel = triangular.program(shape=(4, 3)).kernel
    found = [flops_of_matrices(kernel, block, (4, 3)) for block in kernel.matrix_blocks]
    # What is left: products with lr and with the sum, of 12 elements each, and the sum of 4.
    assert sum(one["elements"] for one in found) == 2 * 12 + 4
