"""Text of index arithmetic, and of the lengths of axes that it needs."""

import pytest

from learnerdsl.codegen.axes import AxisArrays
from learnerdsl.codegen.text import Text
from learnerdsl.learners import adafactor


@pytest.fixture
def arrays():
    program = adafactor.program(shape=(2, 3, 4))
    return AxisArrays(Text(program.kernel, program.layout, program.precision))


@pytest.mark.parametrize(
    ("axes", "space", "expected"),
    [
        ((), (0,), "0"),
        ((0, 1), (0, 1), "k"),
        ((1,), (0, 1), "k % axis1"),
        ((0,), (0, 1, 2), "k // (axis1 * axis2)"),
        ((1,), (0, 1, 2), "(k // axis2) % axis1"),
        ((0, 2), (0, 1, 2), "k // (axis1 * axis2) * axis2 + k % axis2"),
    ],
)
def test_a_flat_index_over_some_axes_is_that_of_numpy(arrays, axes, space, expected):
    assert arrays.index(axes, space, "k") == expected


def test_only_lengths_that_are_used_are_read(arrays):
    assert arrays.read_lengths() == []
    arrays.index((0,), (0, 1, 2), "k")
    assert [line.split(" = ")[0] for line in arrays.read_lengths()] == ["axis1", "axis2"]
