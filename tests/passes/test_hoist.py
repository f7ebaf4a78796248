"""Hoisting: what does not depend on the element leaves the loop."""

from learnerdsl.learners import adam


def test_scalars_leave_the_loops():
    loop = adam.loops()
    assert "beta1 **" not in loop
    assert "**step" not in loop.split("for i in range")[1].replace("# ", "#").split("#")[0]
    assert "c2 = lr / (1.0 - beta1 ** step)" in adam.source()
