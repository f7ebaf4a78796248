"""Graphs: values and data, errors, assign, functions of functions, files."""

import numpy as np
import pytest

import learnerdsl.cntk as C
from learnerdsl.cntk.graph import evaluation
from learnerdsl.errors import (
    ArrayError,
    CheckpointError,
    DtypeError,
    HyperparameterError,
    LearnerError,
    UnknownNameError,
)


def spread(*shape):
    """Numbers of both signs, no two close together."""
    count = int(np.prod(shape))
    values = np.linspace(-2, 2, count) + 0.1 / (count + 1)
    return np.random.default_rng(8).permutation(values).reshape(shape)


# Values, parameters and data


def test_reading_and_setting_value_copies():
    p = C.parameter((2, 2), init=1)
    memory = p.memory
    copy = p.value
    copy[0, 0] = 5
    assert p.value[0, 0] == 1
    p.value = copy
    copy[0, 0] = 6
    assert p.value[0, 0] == 5
    p.value = 0
    assert p.memory is memory
    assert not p.value.any()
    with pytest.raises(ArrayError, match=r"shape \(2, 2\)"):
        p.value = np.zeros(4)
    with pytest.raises(DtypeError, match="real numbers"):
        p.value = "zeros"


def test_parameters_take_numbers_arrays_and_initialisers():
    assert C.parameter(3).value.tolist() == [0, 0, 0]
    assert C.parameter((), init=2).shape == ()
    assert C.parameter(init=np.ones((2, 2))).dtype == np.float64
    assert C.parameter(2, init=np.ones(2), dtype=np.float32).dtype == np.float32
    assert C.constant(3).dtype == np.float32
    assert C.parameter(3, init=C.uniform(0.1)).value.dtype == np.float32
    source = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    p = C.Parameter(init=source)
    assert p.memory.flags.c_contiguous
    source[0, 0] = 9
    assert p.value[0, 0] == 0


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("C.parameter((2, -1))", ArrayError),
        ("C.parameter('ab')", ArrayError),
        ("C.parameter(2, init=np.zeros(3))", ArrayError),
        ("C.parameter(2, dtype=np.int32)", DtypeError),
        ("C.parameter(2, dtype='number')", DtypeError),
        ("C.parameter(init=C.uniform(1))", ArrayError),
        ("C.uniform(0)", HyperparameterError),
        ("C.uniform(1, seed=-1)", HyperparameterError),
        ("C.input_variable((2, 2), is_sparse=True)", ArrayError),
        ("C.input_variable(2, name=3)", HyperparameterError),
        ("C.constant([[1, 2], [3]])", ArrayError),
        ("C.constant([1, 2]) + [1, 2, 3]", ArrayError),
        ("C.constant(1) + C.constant(1, dtype=np.float64)", DtypeError),
        ("C.constant(1) + 'one'", DtypeError),
        ("C.times([1, 2], [[1], [2], [3]])", ArrayError),
        ("C.times([1, 2], [1, 2], output_rank=2)", ArrayError),
        ("C.reduce_sum([1, 2], axis=1)", ArrayError),
        ("C.reduce_sum([1, 2], axis=(0, 0))", ArrayError),
        ("C.reshape([1, 2, 3], (2, -1))", ArrayError),
        ("C.reshape([1, 2, 3], (-1, -1))", ArrayError),
        ("C.transpose(C.constant([[1]]), [0])", ArrayError),
        ("C.slice([1, 2, 3], 0, 2, 1)", ArrayError),
        ("C.slice([1, 2, 3], 0, 0, 9)", ArrayError),
        ("C.slice([1, 2, 3], [0], [0, 1], [1])", HyperparameterError),
        ("C.constant([1, 2])[5]", ArrayError),
        ("C.constant([1, 2])[None]", DtypeError),
        ("C.constant([1, 2])[0.5:]", DtypeError),
        ("C.splice([1, 2], [[1]])", ArrayError),
        ("C.splice([[1, 2]], [[1]], axis=0)", ArrayError),
        ("C.splice()", LearnerError),
        ("C.dropout([1], 1)", HyperparameterError),
        ("C.assign(C.constant([1]) + 1, 2)", ArrayError),
        ("C.assign(C.constant(1), [1, 2])", ArrayError),
        ("C.assign(C.constant(1), C.input_variable(()))", ArrayError),
        ("C.combine([])", LearnerError),
        ("C.combine([1])", LearnerError),
        ("C.combine([C.relu(1), C.relu(2)]) + 1", ArrayError),
        ("C.squared_error(C.constant([1, 2]), 1)", ArrayError),
        ("C.cross_entropy_with_softmax([1, 2], [1])", ArrayError),
        ("C.classification_error([1, 2], [1, 2], topN=3)", HyperparameterError),
        ("bool(C.constant(1) < 2)", DtypeError),
        ("list(C.constant([1]))", DtypeError),
        ("C.Variable.as_parameter(C.constant(1))", DtypeError),
        ("C.relu(1).clone('copy')", HyperparameterError),
    ],
)
def test_what_cannot_be_is_a_clear_error(written, error):
    with pytest.raises(error) as caught:
        eval(written, {"C": C, "np": np})
    assert isinstance(caught.value, LearnerError)
    assert len(str(caught.value)) > 20


def test_nodes_are_keys_by_identity():
    a, b = C.parameter(2), C.parameter(2)
    assert {a: 1, b: 2}[a] == 1
    assert a != b
    assert a.uid != b.uid
    assert C.Variable.as_parameter(a) is a


def test_one_sample_counts_as_a_batch_of_one():
    x, scale = C.input_variable((2, 3)), C.input_variable(())
    f = x * scale
    data = np.ones((2, 3))
    assert f.eval({x: data, scale: np.asarray(2)}).shape == (1, 2, 3)
    assert f.eval({x: [data] * 2, scale: [2, 3]}).shape == (2, 2, 3)
    assert f.eval({x: data[None, None], scale: np.float64(2)}).shape == (1, 2, 3)


def test_data_of_a_wrong_kind_are_refused_with_the_reason():
    x, y = C.input_variable(2, name="x"), C.input_variable(2, name="y")
    f = x + y
    one = np.zeros((1, 2))
    for arguments, error, words in [
        ({x: one}, UnknownNameError, "are missing"),
        ({x: one, y: one, C.input_variable(2): one}, UnknownNameError, "takes"),
        (one, UnknownNameError, "give a dict"),
        ({x: one, y: np.zeros((1, 3))}, ArrayError, "'samples', 2"),
        ({x: one, y: np.zeros((3, 2))}, ArrayError, "numbers of samples"),
        ({x: one, y: np.zeros((0, 2))}, ArrayError, "at least one"),
        ({x: one, y: "abc"}, DtypeError, "real numbers"),
        ({x: one, "z": one}, UnknownNameError, "'z'"),
    ]:
        with pytest.raises(error, match=words):
            f.eval(arguments)
    assert f.eval({"x": one, "y": one}).shape == (1, 2)


def test_static_values_have_no_batch_axis_and_spread_over_one():
    x, p = C.input_variable((2, 3)), C.parameter((3,), init=1)
    assert (p * 2).eval().shape == (3,)
    assert C.splice(C.reshape(p, (1, 3)), x, axis=0).eval({x: np.zeros((4, 2, 3))}).shape == (
        4,
        3,
        3,
    )


def test_value_objects_have_views():
    x = C.input_variable((2, 2))
    result = (x * 2).eval({x: np.arange(4).reshape(2, 2)}, as_numpy=False)
    assert result.shape == (1, 2, 2)
    view = result.data.slice_view([0] * 3, (2, 2))
    np.testing.assert_array_equal(view.asarray(), [[0, 2], [4, 6]])
    p = C.parameter((2, 2))
    p.set_value(view)
    np.testing.assert_array_equal(p.value, view.asarray())
    np.testing.assert_array_equal((x + 0).eval({x: view})[0], view.asarray())
    with pytest.raises(ArrayError, match="outside"):
        result.data.slice_view([0, 1, 0], (2, 2))
    with pytest.raises(ArrayError, match="offsets"):
        result.data.slice_view([0], (2, 2))


def test_evaluation_returns_memory_of_its_own():
    p = C.parameter(2, init=1)
    value = C.alias(p).eval()
    value[0] = 5
    assert p.value[0] == 1


def test_a_leaf_without_a_value_cannot_be_evaluated():
    rate = C.Variable("schedule", (), np.float32)
    with pytest.raises(LearnerError, match="only inside a learner"):
        (rate * 2).eval()


# assign and combine


def test_assign_gives_the_new_value_and_reads_give_the_old():
    p, state = C.parameter(2, init=1), C.constant([1, 1])
    new = C.assign(state, state + 1)
    both = C.combine([C.assign(p, p + new), C.alias(state)])
    values = both.eval()
    assert list(values) == list(both.outputs)
    assert [v.tolist() for v in values.values()] == [[3, 3], [1, 1]]
    assert (p.value.tolist(), state.value.tolist()) == ([3, 3], [2, 2])


def test_assigns_may_swap():
    a, b = C.constant(1), C.constant(2)
    C.combine(C.assign(a, b), C.assign(b, a)).eval()
    assert (a.value, b.value) == (2, 1)


# Functions


def test_functions_list_what_they_are_made_of():
    x, y = C.input_variable(2, name="x"), C.input_variable(2, name="y")
    p, c = C.parameter(2, name="p"), C.constant(1)
    f = C.plus(C.element_times(x, p, name="product"), y) * c
    assert (f.arguments, f.parameters, f.constants) == ((x, y), (p,), (c,))
    assert f.find_by_name("product").op == "element_times"
    assert f.find_by_name("p") is p
    assert f.find_by_name("q") is None
    assert f.output is f
    with pytest.raises(UnknownNameError, match="2 nodes"):
        (C.alias(x, name="x") + 1).find_by_name("x")


def test_calling_a_function_substitutes_or_evaluates():
    x, y = C.input_variable(2, name="x"), C.input_variable(2, name="y")
    p = C.parameter(2, init=3)
    f = p * x + y
    u = C.input_variable(2)
    g = f(C.exp(u), y=u)
    assert (g.parameters, g.arguments) == ((p,), (u,))
    np.testing.assert_allclose(g(np.zeros((1, 2))), [[3, 3]])
    np.testing.assert_allclose(f([[1, 2]], [[1, 1]]), [[4, 7]])
    np.testing.assert_allclose(f(u, 1).eval({u: [[1, 2]]}), [[4, 7]])
    with pytest.raises(UnknownNameError, match="exactly"):
        f(u)
    with pytest.raises(ArrayError, match="takes 2"):
        f(u, u, u)


def test_clones_share_copy_or_freeze_parameters():
    x = C.input_variable(2)
    p = C.parameter(2, init=3, name="p")
    f = x * p
    assert f.clone("share").parameters == (p,)
    copy = f.clone(C.CloneMethod.clone)
    assert copy.parameters[0] is not p
    assert copy.parameters[0].name == "p"
    p.value = 0
    np.testing.assert_array_equal(copy.eval({x: [[1, 1]]}), [[3, 3]])
    assert f.clone("freeze").parameters == ()
    assert f.clone("share", {x: C.constant([1, 2])}).arguments == ()


def test_composition_puts_one_function_after_another():
    x = C.input_variable(2)
    np.testing.assert_array_equal(((x * 2) >> C.reduce_sum).eval([[1, 2]]), [6])


def test_grad_takes_one_or_several_variables():
    x = C.input_variable(2, needs_gradient=True)
    p = C.parameter(2, init=3)
    f = x * p
    data = {x: [[1, 2], [3, 4]]}
    np.testing.assert_array_equal(f.grad(data), [[3, 3], [3, 3]])
    np.testing.assert_array_equal(f.grad(data, wrt=p), [4, 6])
    gradients, value = f.grad(data, wrt=[x, p], outputs=[f])
    np.testing.assert_array_equal(gradients[p], [4, 6])
    np.testing.assert_array_equal(value, [[3, 6], [9, 12]])
    assert f.grad(data, as_numpy=False).data.shape == (2, 2)
    with pytest.raises(HyperparameterError, match="wrt"):
        (p * 1).grad()
    with pytest.raises(UnknownNameError, match="not an input"):
        f.grad(data, wrt=[C.parameter(2)])


def test_gradient_by_a_parameter_that_is_not_read_is_zero():
    x, p, q = C.input_variable(2), C.parameter(2), C.parameter(3)
    _, _, gradients = evaluation.value_and_gradients(
        C.reduce_sum(x * p), None, {x: [[1, 2]]}, [p, q]
    )
    assert gradients[q].tolist() == [0, 0, 0]
    assert gradients[q].dtype == np.float32


def test_losses_and_metrics_come_per_sample():
    z, label = C.input_variable((2, 3)), C.input_variable((2, 3))
    loss, metric = C.squared_error(z, label), C.classification_error(z, label)
    data = {z: np.ones((5, 2, 3)), label: np.zeros((5, 2, 3))}
    values, metrics, _ = evaluation.value_and_gradients(loss, metric, data, [])
    assert values.tolist() == [6] * 5
    assert metrics.shape == (5,)


# Files


def test_saved_functions_come_back_the_same(tmp_path):
    x = C.input_variable((2, 3), name="features")
    w = C.parameter((3, 2), C.normal(1), name="w")
    h = C.dropout(C.relu(C.times(x, w), name="hidden"), 0.5, seed=1)
    f = C.slice(C.transpose(h), 0, 0, 1) * C.constant([2, 3]) + C.reduce_max(h, axis=-1)[0]
    f.save(tmp_path / "model")
    loaded = C.Function.load(tmp_path / "model")
    data = spread(4, 2, 3)
    np.testing.assert_array_equal(loaded.eval(data), f.eval(data))
    assert [p.name for p in loaded.parameters] == ["w"]
    assert loaded.arguments[0].name == "features"
    assert loaded.find_by_name("hidden").op == "relu"
    w.value = 0
    f.restore(tmp_path / "model")
    np.testing.assert_array_equal(loaded.eval(data), f.eval(data))
    with pytest.raises(CheckpointError, match="another graph"):
        (f + 1).restore(tmp_path / "model")


def test_damaged_and_missing_files_are_refused(tmp_path):
    (tmp_path / "model").write_bytes(b"not a model")
    with pytest.raises(CheckpointError, match="damaged"):
        C.load_model(tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        C.load_model(tmp_path / "nothing")


def test_deep_graphs_need_no_recursion():
    x = C.input_variable(())
    f = x
    for _ in range(5000):
        f = f + 1
    assert f.eval({x: [0]}) == [5000]
    assert f.grad({x: [0]}, [x]) == [1]
    assert f(x).arguments == (x,)
