"""Layers and initialisers: shapes, order of parameters, values against plain NumPy."""

import math

import numpy as np
import pytest

import learnerdsl.cntk as C
from learnerdsl.cntk.graph import evaluation
from learnerdsl.errors import ArrayError, HyperparameterError, LearnerError

layers = C.layers


def data(*shape):
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def test_parameters_list_the_last_layer_first_and_weights_before_biases():
    x = C.input_variable(3)
    z = layers.Sequential([layers.Dense(4, activation=C.relu), layers.Dense(2)])(x)
    assert [p.shape for p in z.parameters] == [(4, 2), (2,), (3, 4), (4,)]
    assert [p.name for p in z.parameters] == ["W", "b", "W", "b"]
    loss = C.cross_entropy_with_softmax(z, C.input_variable(2))
    assert loss.parameters == z.parameters
    assert loss.arguments[0] is x


def test_dense_is_a_product_a_bias_and_an_activation():
    x = C.input_variable(3)
    z = layers.Dense(2, activation=C.tanh, init_bias=0.5)(x)
    w, b = z.parameters
    batch = data(5, 3)
    assert b.value.tolist() == [0.5, 0.5]
    np.testing.assert_allclose(z.eval(batch), np.tanh(batch @ w.value + b.value), 1e-5)


def test_dense_maps_all_axes_the_last_or_all_but_the_first():
    x = C.input_variable((4, 3))
    assert [p.shape for p in layers.Dense((2, 5))(x).parameters] == [(4, 3, 2, 5), (2, 5)]
    for layer in (layers.Dense(2, input_rank=1), layers.Dense(2, map_rank=1)):
        z = layer(x)
        assert z.shape == (4, 2)
        w, b = z.parameters
        batch = data(5, 4, 3)
        np.testing.assert_allclose(z.eval(batch), batch @ w.value + b.value, 1e-4, 1e-5)


def test_dense_without_bias_has_weights_only():
    assert [p.name for p in layers.Dense(2, bias=False)(C.input_variable(3)).parameters] == ["W"]


def test_a_layer_called_again_shares_its_parameters():
    layer = layers.Dense(3)
    x = C.input_variable(3)
    twice = layer(layer(x))
    assert twice.parameters == layer.parameters == (layer.W, layer.b)
    with pytest.raises(ArrayError, match="another layer"):
        layer(C.input_variable(4))


def test_layers_follow_the_dtype_of_their_input():
    model = layers.Sequential([layers.Dense(4), layers.LayerNormalization(), layers.Dense(2)])
    z = model(C.input_variable(3, np.float64))
    assert {p.dtype for p in z.parameters} == {np.float64}
    with C.default_options(dtype=np.float64):
        assert layers.Dense(2)(C.input_variable(3)).dtype == np.float64
        assert C.parameter(2).dtype == np.float64
    assert C.parameter(2).dtype == np.float32


def test_layers_called_with_data_evaluate():
    model = layers.Sequential([layers.Dense(4, activation=C.sigmoid), layers.Dense(2)])
    batch = data(5, 3)
    value = model(batch)
    assert (value.shape, value.dtype) == ((5, 2), np.float32)
    np.testing.assert_array_equal(model(C.input_variable(3)).eval(batch), value)
    with pytest.raises(ArrayError, match="batch axis"):
        model(1.0)


def test_sequences_hold_functions_lists_and_sequences():
    model = layers.Sequential([[layers.Dense(4), C.relu], lambda x: x * 2, layers.Dense(2)])
    z = model(C.input_variable(3))
    assert z.shape == (2,)
    assert model.parameters == z.parameters
    joined = layers.Dense(4) >> C.relu >> layers.Dense(2)
    assert joined(C.input_variable(3)).shape == (2,)
    assert isinstance(model[0], layers.Dense)
    x = C.input_variable(3)
    assert layers.Sequential([])(x) is x


def test_for_makes_a_layer_for_each_element():
    model = layers.For(range(3), lambda i: layers.Dense(4 - i))
    shapes = [p.shape for p in model(C.input_variable(5)).parameters]
    assert shapes == [(3, 2), (2,), (4, 3), (3,), (5, 4), (4,)]
    assert len(layers.For(range(3), lambda: layers.Dense(4)).layers) == 3


def test_embedding_takes_rows_and_learns_them():
    x = C.input_variable(6)
    z = layers.Embedding(3)(x)
    (table,) = z.parameters
    np.testing.assert_array_equal(z.eval(np.eye(6)[[2, 4]]), table.value[[2, 4]])
    fixed = layers.Embedding(weights=np.eye(6)[:, :2])(x)
    assert (fixed.shape, fixed.parameters) == ((2,), ())
    np.testing.assert_array_equal(fixed.eval(np.eye(6)), np.eye(6)[:, :2])


def test_embedding_of_a_sparse_input_has_a_row_sparse_gradient():
    x = C.input_variable(6, is_sparse=True)
    loss = C.reduce_sum(C.square(layers.Dense(2)(layers.Embedding(3, name="table")(x))))
    table = loss.find_by_name("E")
    batch = np.eye(6)[[4, 1, 4]]
    _, _, gradients = evaluation.value_and_gradients(loss, None, {x: batch}, loss.parameters)
    assert gradients[table].indices.tolist() == [1, 4]
    assert [type(gradients[p]) for p in loss.parameters[:2]] == [np.ndarray, np.ndarray]


def test_layer_normalization_gives_mean_bias_and_deviation_scale():
    z = layers.LayerNormalization(initial_scale=2, initial_bias=1)(C.input_variable(4))
    np.testing.assert_allclose(
        z.eval([[4, 0, 0, 4]]), [[2.99999, -0.99999, -0.99999, 2.99999]], 1e-6
    )
    assert [p.name for p in z.parameters] == ["scale", "bias"]
    assert [p.shape for p in z.parameters] == [(4,), (4,)]


def test_dropout_takes_a_rate_or_its_complement():
    x = C.input_variable(1000)
    for layer in (layers.Dropout(0.25, seed=1), layers.Dropout(keep_prob=0.75, seed=1)):
        z = layer(x)
        ones = np.ones((1, 1000))
        np.testing.assert_array_equal(z.eval(ones), ones)
        (value,) = evaluation.evaluate((z,), ones, training=True)
        assert abs((value == 0).mean() - 0.25) < 0.05


def test_activation_layers_activate():
    x = C.input_variable(2)
    np.testing.assert_array_equal(layers.Activation(C.relu)(x).eval([[-1, 2]]), [[0, 2]])
    assert layers.Activation()(x) is x


def test_default_options_reach_layers_made_inside():
    with C.default_options(activation=C.relu, init=C.normal(1, seed=5)):
        with layers.default_options(bias=False):
            inner = layers.Dense(4)
        outer = layers.Dense(2, activation=None)
    z = outer(inner(C.input_variable(3)))
    assert [p.name for p in z.parameters] == ["W", "b", "W"]
    assert z.op == "plus"
    expected = np.random.default_rng(5).normal(0, 1, (3, 4)).astype(np.float32)
    np.testing.assert_array_equal(inner.W.value, expected)
    assert layers.Dense(2)(C.input_variable(3)).op == "plus"
    with (
        pytest.raises(HyperparameterError, match="does not know colour"),
        C.default_options(colour=1),
    ):
        pass


def test_names_of_layers_are_found():
    x = C.input_variable(3)
    inner = layers.Sequential([layers.Dense(4, activation=C.relu, name="hidden")], name="first")
    z = layers.Sequential([inner, layers.Activation(name="second"), layers.Dense(2)])(x)
    assert z.find_by_name("hidden").op == "relu"
    assert z.find_by_name("first").shape == (4,)
    assert z.find_by_name("second").shape == (4,)
    assert [p.shape for p in z.parameters] == [(4, 2), (2,), (3, 4), (4,)]


def test_models_are_saved_and_cloned_with_the_order_of_their_parameters(tmp_path):
    model = layers.Sequential([layers.Dense(4, activation=C.relu), layers.Dense(2)])
    z = model(C.input_variable(3, name="x"))
    z.save(tmp_path / "model")
    batch = data(5, 3)
    for copy in (C.Function.load(tmp_path / "model"), z.clone("clone")):
        assert [p.shape for p in copy.parameters] == [(4, 2), (2,), (3, 4), (4,)]
        assert not set(copy.parameters) & set(z.parameters)
        np.testing.assert_array_equal(copy.eval(batch), z.eval(batch))
    assert z(C.input_variable(3)).parameters == z.parameters


WIDTHS = {
    "uniform": (lambda seed: C.uniform(0.3, seed=seed), 0.3, False),
    "normal": (lambda seed: C.normal(0.3, seed=seed), 0.3, True),
    "glorot_uniform": (lambda seed: C.glorot_uniform(seed=seed), math.sqrt(6 / 500), False),
    "glorot_normal": (lambda seed: C.glorot_normal(2, seed=seed), 2 * math.sqrt(2 / 500), True),
    "he_uniform": (lambda seed: C.he_uniform(seed=seed), math.sqrt(6 / 200), False),
    "he_normal": (lambda seed: C.he_normal(seed=seed), math.sqrt(2 / 200), True),
}


@pytest.mark.parametrize("name", WIDTHS)
def test_initialisers_have_the_scale_of_cntk(name):
    make, width, is_normal = WIDTHS[name]
    value = C.parameter((200, 300), init=make(1)).value
    assert value.dtype == np.float32
    assert abs(value.mean()) < width / 50
    if is_normal:
        assert value.std() == pytest.approx(width, rel=0.02)
    else:
        assert np.abs(value).max() == pytest.approx(width, rel=0.01)
        assert np.abs(value).max() <= width * (1 + 1e-6)


def test_output_rank_tells_which_axes_are_outputs():
    value = C.parameter((8, 20, 30), init=C.glorot_uniform(output_rank=2, seed=1)).value
    assert np.abs(value).max() == pytest.approx(math.sqrt(6 / (8 + 600)), rel=0.02)


def test_seeds_repeat_and_no_seed_differs():
    def draw(init):
        return C.parameter(5, init=init).value.tolist()

    assert draw(C.normal(1, seed=4)) == draw(C.normal(1, seed=4))
    shared = C.normal(1)
    assert draw(shared) != draw(shared)
    C.set_fixed_random_seed(9)
    first = draw(C.normal(1)), draw(C.normal(1))
    C.set_fixed_random_seed(9)
    assert (draw(C.normal(1)), draw(C.normal(1))) == first


@pytest.mark.parametrize(
    "written",
    [
        "C.layers.Dense(0)",
        "C.layers.Dense(2, input_rank=1, map_rank=1)",
        "C.layers.Dense(2, input_rank=3)(C.input_variable(2))",
        "C.layers.Embedding()",
        "C.layers.Embedding(2, weights=[[1]])",
        "C.layers.Dropout()",
        "C.layers.Dropout(2.0)(C.input_variable(2))",
        "C.layers.Sequential([3])",
        "C.layers.Dense(2).parameters",
    ],
)
def test_layers_that_cannot_be_are_clear_errors(written):
    with pytest.raises(LearnerError) as caught:
        eval(written, {"C": C})
    assert len(str(caught.value)) > 20


def test_a_model_learns():
    rng = np.random.default_rng(0)
    x, y = C.input_variable(2), C.input_variable(1)
    z = layers.Sequential([layers.Dense(8, activation=C.tanh), layers.Dense(1)])(x)
    loss = C.squared_error(z, y)
    batch = rng.uniform(-1, 1, (64, 2))
    at = {x: batch, y: batch[:, :1] * batch[:, 1:]}
    first = last = 0.0
    for _ in range(300):
        values, _, gradients = evaluation.value_and_gradients(loss, None, at, z.parameters)
        for parameter, gradient in gradients.items():
            parameter.value = parameter.value - 0.3 / 64 * gradient
        last = values.mean()
        first = first or last
    assert last < first / 5
