"""Operations: values against plain NumPy, gradients against finite differences."""

import numpy as np
import pytest

import learnerdsl.cntk as C
from learnerdsl.cntk.graph import evaluation
from learnerdsl.cntk.graph.computations import COMPUTATIONS
from learnerdsl.cntk.graph.shapes import OPERATIONS

DTYPES = [np.float32, np.float64]


def positive(*shape):
    return np.random.default_rng(7).uniform(0.5, 2, shape)


def spread(*shape):
    """Numbers of both signs, no two close together."""
    count = int(np.prod(shape))
    values = np.linspace(-2, 2, count) + 0.1 / (count + 1)
    return np.random.default_rng(8).permutation(values).reshape(shape)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# name -> (function of nodes, function of arrays with a batch axis, data of the operands)
X, Y = spread(4, 3, 2), spread(4, 3, 2)[::-1].copy() + 0.05
CASES = {
    "plus": (C.plus, np.add, [X, Y]),
    "plus_many": (lambda x, y: C.plus(x, y, x), lambda x, y: x + y + x, [X, Y]),
    "minus": (C.minus, np.subtract, [X, Y]),
    "element_times": (C.element_times, np.multiply, [X, Y]),
    "element_divide": (C.element_divide, np.divide, [X, positive(4, 3, 2)]),
    "element_max": (C.element_max, np.maximum, [X, Y]),
    "element_min": (C.element_min, np.minimum, [X, Y]),
    "pow": (C.pow, np.power, [positive(4, 3, 2), Y]),
    "clip": (lambda x: C.clip(x, -1, 0.5), lambda x: np.clip(x, -1, 0.5), [X]),
    "element_select": (
        lambda x, y: C.element_select(x > 0, x * y, y),
        lambda x, y: np.where(x > 0, x * y, y),
        [X, Y],
    ),
    "relu": (C.relu, lambda x: np.maximum(x, 0), [X]),
    "sigmoid": (C.sigmoid, lambda x: 1 / (1 + np.exp(-x)), [X]),
    "tanh": (C.tanh, np.tanh, [X]),
    "exp": (C.exp, np.exp, [X]),
    "log": (C.log, np.log, [positive(4, 3, 2)]),
    "sqrt": (C.sqrt, np.sqrt, [positive(4, 3, 2)]),
    "square": (C.square, np.square, [X]),
    "abs": (C.abs, np.abs, [X]),
    "negate": (C.negate, np.negative, [X]),
    "alias": (C.alias, lambda x: x, [X]),
    "dropout": (lambda x: C.dropout(x, 0.5), lambda x: x, [X]),
    "softmax": (C.softmax, lambda x: softmax(x, -1), [X]),
    "softmax_0": (lambda x: C.softmax(x, axis=0), lambda x: softmax(x, 1), [X]),
    "log_softmax": (C.log_softmax, lambda x: np.log(softmax(x, -1)), [X]),
    "reduce_sum": (C.reduce_sum, lambda x: x.sum((1, 2)), [X]),
    "reduce_sum_0": (lambda x: C.reduce_sum(x, 0), lambda x: x.sum(1, keepdims=True), [X]),
    "reduce_mean": (C.reduce_mean, lambda x: x.mean((1, 2)), [X]),
    "reduce_mean_1": (
        lambda x: C.reduce_mean(x, axis=-1, keepdims=False),
        lambda x: x.mean(2),
        [X],
    ),
    "reduce_max": (C.reduce_max, lambda x: x.max((1, 2)), [X]),
    "reduce_min_both": (
        lambda x: C.reduce_min(x, axis=(0, 1)),
        lambda x: x.min((1, 2), keepdims=True),
        [X],
    ),
    "reshape": (lambda x: C.reshape(x, (2, -1)), lambda x: x.reshape(-1, 2, 3), [X]),
    "reshape_some": (
        lambda x: C.reshape(x, (1, 2), begin_axis=1),
        lambda x: x.reshape(-1, 3, 1, 2),
        [X],
    ),
    "transpose": (lambda x: C.transpose(x, (1, 0)), lambda x: x.transpose(0, 2, 1), [X]),
    "slice": (lambda x: C.slice(x, 0, 1, 0), lambda x: x[:, 1:], [X]),
    "slice_two": (
        lambda x: C.slice(x, [0, 1], [0, -1], [-1, 2]),
        lambda x: x[:, :2, 1:],
        [X],
    ),
    "slice_back": (lambda x: C.slice(x, 0, 0, 0, -1), lambda x: x[:, ::-1], [X]),
    "getitem": (lambda x: x[1:, 0], lambda x: x[:, 1:, 0], [X]),
    "splice": (
        lambda x, y: C.splice(x, y, axis=0),
        lambda x, y: np.concatenate([x, y], 1),
        [X, Y],
    ),
    "times": (
        lambda x, y: C.times(x, C.transpose(y)),
        lambda x, y: x @ y.transpose(0, 2, 1),
        [X, Y],
    ),
    "broadcast": (
        lambda x, y: x * y,
        lambda x, y: x * y[:, None],
        [X, spread(4, 2)],
    ),
    "cross_entropy": (
        C.cross_entropy_with_softmax,
        lambda x, y: -(y * np.log(softmax(x, -1))).sum(-1),
        [spread(4, 3), positive(4, 3)],
    ),
    "binary_cross_entropy": (
        lambda x, y: C.binary_cross_entropy(C.sigmoid(x), y),
        lambda x, y: (
            -y * np.log(1 / (1 + np.exp(-x))) - (1 - y) * np.log(1 / (1 + np.exp(x)))
        ).sum(-1),
        [spread(4, 3), positive(4, 3) - 0.5],
    ),
    "squared_error": (C.squared_error, lambda x, y: ((x - y) ** 2).sum((1, 2)), [X, Y]),
    "comparisons": (
        lambda x, y: (x < y) + 2 * (x <= y) + 4 * (x > y) + 8 * (x >= y) + 0 * x * y,
        lambda x, y: (x < y) + 2.0 * (x <= y) + 4 * (x > y) + 8 * (x >= y),
        [X, Y],
    ),
    "equality": (
        lambda x, y: C.equal(x, y) + 2 * C.not_equal(x, y) + 0 * x * y,
        lambda x, y: (x == y) + 2.0 * (x != y),
        [X, Y],
    ),
    "operators": (
        lambda x, y: 2 - x + 3 / (1 + abs(y)) - (+x) ** 2 + 2**y - -x,
        lambda x, y: 2 - x + 3 / (1 + abs(y)) - x**2 + 2**y + x,
        [X, Y],
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_numpy(case, dtype):
    make, reference, data = CASES[case]
    data = [array.astype(dtype) for array in data]
    inputs = [C.input_variable(array.shape[1:], dtype) for array in data]
    f = make(*inputs)
    value = f.eval(dict(zip(inputs, data, strict=True)))
    assert value.dtype == dtype
    assert value.shape == (4, *f.shape)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(value, reference(*data), tolerance, tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_parameters_compute_as_inputs_do(case, dtype):
    make, reference, data = CASES[case]
    f = make(*(C.parameter(init=array[0], dtype=dtype) for array in data))
    value = f.eval()
    assert (value.dtype, value.shape) == (dtype, f.shape)
    expected = reference(*(array[:1] for array in data))[0]
    np.testing.assert_allclose(value, expected, 1e-5, 1e-5)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_finite_differences(case):
    make, _, data = CASES[case]
    inputs = [C.input_variable(array.shape[1:], np.float64) for array in data]
    output = make(*inputs)
    weights = C.constant(spread(*output.shape) if output.shape else 1.5, dtype=np.float64)
    f = output * weights
    at = dict(zip(inputs, data, strict=True))
    gradients = f.grad(at, wrt=[*inputs])
    for x, array in at.items():
        gradient = gradients[x] if len(inputs) > 1 else gradients
        assert gradient.shape == array.shape
        numeric = np.empty_like(array)
        for k in np.ndindex(array.shape):
            totals = []
            for step in (1e-6, -1e-6):
                moved = array.copy()
                moved[k] += step
                totals.append(f.eval({**at, x: moved}).sum())
            numeric[k] = (totals[0] - totals[1]) / 2e-6
        np.testing.assert_allclose(gradient, numeric, 1e-6, 1e-7)


@pytest.mark.parametrize("case", CASES)
def test_gradients_by_parameters_sum_over_the_minibatch_in_float32(case):
    make, _, data = CASES[case]
    inputs = [C.input_variable(array.shape[1:]) for array in data]
    parameters = [C.parameter(array.shape[1:]) for array in data]
    loss = C.reduce_sum(make(*(x + p for x, p in zip(inputs, parameters, strict=True))))
    at = dict(zip(inputs, data, strict=True))
    values, metric, gradients = evaluation.value_and_gradients(loss, None, at, parameters)
    assert (values.shape, values.dtype, metric) == ((4,), np.float32, None)
    if case == "dropout":
        return
    by_input = loss.grad(at, wrt=inputs)
    for x, p in zip(inputs, parameters, strict=True):
        each = by_input[x] if len(inputs) > 1 else by_input
        assert gradients[p].dtype == each.dtype == np.float32
        np.testing.assert_allclose(gradients[p], each.sum(0), 1e-4, 1e-5)


def test_every_operation_has_a_shape_and_a_kernel():
    assert set(OPERATIONS) == set(COMPUTATIONS)


@pytest.mark.parametrize(
    "ranks", [((2, 3), (3, 4), 1), ((2, 3, 4), (3, 4, 5, 6), 2), ((3,), (3,), 0)]
)
@pytest.mark.parametrize("batched", [(True, False), (False, True), (True, True), (False, False)])
def test_times_contracts_inner_axes_with_and_without_batch(ranks, batched):
    *shapes, output_rank = ranks
    count = len(shapes[1]) - output_rank
    data = [
        spread(*((5, *shape) if b else shape)) for shape, b in zip(shapes, batched, strict=True)
    ]
    nodes = [
        C.input_variable(shape, np.float64) if b else C.parameter(shape, array, np.float64)
        for shape, b, array in zip(shapes, batched, data, strict=True)
    ]
    f = C.times(*nodes, output_rank=output_rank)
    at = {node: array for node, array, b in zip(nodes, data, batched, strict=True) if b}
    left, right = (d if b else d[None] for d, b in zip(data, batched, strict=True))
    size = 5 if any(batched) else 1
    expected = [
        np.tensordot(left[i % len(left)], right[i % len(right)], count) for i in range(size)
    ]
    expected = np.array(expected) if any(batched) else expected[0]
    np.testing.assert_allclose(f.eval(at), expected, 1e-12, 1e-12)
    gradients = C.square(f).grad(at, wrt=nodes)
    for node, array in zip(nodes, data, strict=True):
        assert gradients[node].shape == array.shape


def test_stop_gradient_hides_what_is_inside():
    x = C.input_variable(2, np.float64)
    f = x * C.stop_gradient(x)
    np.testing.assert_array_equal(f.grad({x: [[2.0, 3.0]]}, wrt=[x]), [[2.0, 3.0]])


def test_equal_maxima_share_the_gradient():
    x = C.input_variable(3)
    data = {x: [[1, 1, 0]]}
    np.testing.assert_array_equal(C.reduce_max(x).grad(data, [x]), [[0.5, 0.5, 0]])
    np.testing.assert_array_equal(C.element_max(x, 1).grad(data, [x]), [[0.5, 0.5, 0]])
    np.testing.assert_array_equal(C.relu(x).grad({x: [[0, 0, 0]]}, [x]), [[0, 0, 0]])


def test_classification_error_counts_the_best_outputs():
    z, label = C.input_variable(3), C.input_variable(3)
    data = {z: [[1, 3, 2], [3, 1, 2]], label: [[0, 0, 1], [1, 0, 0]]}
    np.testing.assert_array_equal(C.classification_error(z, label).eval(data), [1, 0])
    np.testing.assert_array_equal(C.classification_error(z, label, topN=2).eval(data), [0, 0])
    fixed = C.classification_error(z, [0, 0, 1])
    np.testing.assert_array_equal(fixed.eval({z: data[z]}), [1, 1])


def test_binary_cross_entropy_of_certain_and_right_outputs_is_zero():
    assert C.binary_cross_entropy([0, 1], [0, 1]).eval() == 0


def test_losses_of_vectors_are_scalars_and_of_matrices_keep_the_other_axis():
    vector, matrix = C.input_variable(3), C.input_variable((2, 3))
    for loss in (C.cross_entropy_with_softmax, C.classification_error):
        assert loss(vector, vector).shape == ()
        assert loss(matrix, matrix).shape == (2, 1)


# Dropout


def test_dropout_drops_only_while_training_and_keeps_the_mean():
    x = C.input_variable(1000)
    p = C.parameter((), init=1)
    f = C.dropout(x * p, 0.25, seed=3)
    ones = np.ones((10, 1000), np.float32)
    np.testing.assert_array_equal(f.eval({x: ones}), ones)
    (value,) = evaluation.evaluate((f,), {x: ones}, training=True)
    assert value.dtype == np.float32
    assert set(np.unique(value)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((value == 0).mean() - 0.25) < 0.02
    (second,) = evaluation.evaluate((f,), {x: ones}, training=True)
    assert (second != value).any()
    again = C.dropout(x, 0.25, seed=3)
    (repeated,) = evaluation.evaluate((again,), {x: ones}, training=True)
    np.testing.assert_array_equal(repeated, value)
    loss, _, gradients = evaluation.value_and_gradients(C.reduce_sum(f), None, {x: ones}, [p])
    np.testing.assert_allclose(gradients[p], loss.sum(), 1e-5)
