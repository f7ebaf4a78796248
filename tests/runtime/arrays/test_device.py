"""What may be updated on a device, and the errors of what may not."""

from types import SimpleNamespace

import numpy as np
import pytest
from support.ptx_device import device
from support.small_rules import descent, every_state, parameters

import learnerdsl as ld
from learnerdsl.learners import muon, sophia
from learnerdsl.runtime import backends
from learnerdsl.runtime.arrays import device as device_arrays
from learnerdsl.runtime.arrays import interop
from learnerdsl.runtime.arrays.interop import copy_to_host, is_on_device, stream_of

__all__ = ["device"]


class Tensor:
    """What is asked of a tensor of PyTorch."""

    def __init__(self, view, dtype="torch.float32", contiguous=True, device=0):
        self.view, self.shape, self.dtype = view, view.shape, dtype
        self.is_cuda, self.contiguous, self.device = True, contiguous, device
        self.is_sparse = False

    def data_ptr(self):
        return self.view.address

    def get_device(self):
        return self.device

    def is_contiguous(self):
        return self.contiguous


def interface(view, **changes):
    """An array that speaks `__cuda_array_interface__`, with some entries changed."""
    return SimpleNamespace(__cuda_array_interface__=view.__cuda_array_interface__ | changes)


def refused(learner, given, match, error=ld.ArrayError):
    """An update that is refused, and leaves everything as it was."""
    before = str(learner.state_dict()), [copy_to_host(p) for p in learner.parameters.values()]
    with pytest.raises(error, match=match):
        learner.update(given)
    after = str(learner.state_dict()), [copy_to_host(p) for p in learner.parameters.values()]
    assert before[0] == after[0]
    assert all(map(np.array_equal, before[1], after[1]))


def test_tensors_are_taken_by_their_pointers(device):
    start = np.arange(6, dtype=np.float32).reshape(2, 3)
    place = device.array(start)
    learner = descent({"w": Tensor(place)}, lr=1.0, backend="cuda")
    learner.update({"w": Tensor(device.array(np.ones((2, 3), np.float32)))})
    np.testing.assert_array_equal(place.copy_to_host(), start - 1)


def test_arrays_with_strides_in_row_major_order_are_taken(device):
    view = device.array(np.zeros((2, 3), np.float32))
    learner = descent([interface(view, strides=(12, 4))])
    learner.update([device.array(np.ones((2, 3), np.float32))])
    assert (view.copy_to_host() == -0.5).all()


def test_arrays_of_dlpack_alone_are_told_apart():
    array = SimpleNamespace(__dlpack_device__=lambda: (2, 0))
    assert is_on_device(array)
    assert not is_on_device(SimpleNamespace(__dlpack_device__=lambda: (1, 0)))
    assert not is_on_device(np.zeros(3))


def test_dlpack_is_read_by_the_reader_of_cuda_core():
    place = device_arrays._by_dlpack(np.zeros((2, 3), np.float32))
    assert (place.shape, place.dtype, place.is_contiguous) == ((2, 3), "float32", True)
    assert not device_arrays._by_dlpack(np.zeros((2, 3), np.float32).T).is_contiguous


def test_the_host_is_no_device():
    with pytest.raises(ld.ArrayError, match=r"'w' is a ndarray in the memory of the host"):
        descent({"w": np.zeros(3)}, backend="cuda")


def test_a_parameter_on_a_device_is_nothing_for_the_cpu(device):
    with pytest.raises(ld.LearnerError, match=r"pass a numpy.ndarray"):
        descent([device.array(np.zeros(3))], backend="cpu")


def test_devices_are_not_mixed(device):
    first, second = (device.array(np.zeros(3, np.float32)) for _ in range(2))
    with pytest.raises(ld.ArrayError, match="'a' on 0 and 'b' on 1"):
        descent({"a": Tensor(first), "b": Tensor(second, device=1)})
    with pytest.raises(ld.ArrayError, match="'v' is a ndarray in the memory of the host"):
        descent({"w": first, "v": np.zeros(3, np.float32)})


def test_parameters_of_several_number_types_are_taken(device):
    learner = descent([device.array(np.zeros(3, t)) for t in (np.float32, np.float64, np.float16)])
    learner.update([device.array(np.ones(3, t)) for t in (np.float32, np.float64, np.float16)])
    for parameter in learner.parameters.values():
        np.testing.assert_array_equal(parameter.copy_to_host(), [-0.5] * 3)


def test_arrays_that_are_never_updated_in_place_are_refused():
    array = type("ArrayImpl", (), {"__module__": "jaxlib._jax"})()
    with pytest.raises(ld.ArrayError, match="array of JAX"):
        descent([array], backend="cuda")


@pytest.mark.parametrize("dtype", ["torch.float8_e4m3fn", "torch.int8", "torch.int64"])
def test_other_number_types_are_refused(dtype, device):
    tensor = Tensor(device.array(np.zeros(3, np.float32)), dtype)
    with pytest.raises(ld.DtypeError, match=dtype.removeprefix("torch.")):
        descent([tensor])


def test_layouts_that_cannot_be_updated_are_refused(device):
    view = device.array(np.zeros((2, 3), np.float32))
    with pytest.raises(ld.ArrayError, match=r"not contiguous.*only the copy would be trained"):
        descent([Tensor(view, contiguous=False)])
    with pytest.raises(ld.ArrayError, match="not contiguous"):
        descent([interface(view, strides=(4, 8))])
    with pytest.raises(ld.ArrayError, match="read-only"):
        descent([interface(view, data=(view.address, True))])
    with pytest.raises(ld.ArrayError, match="overlap in memory"):
        descent([view, view])
    with pytest.raises(ld.ArrayError, match="not aligned to its dtype"):
        descent([interface(view, data=(view.address + 1, False))])
    with pytest.raises(ld.ArrayError, match="at least one parameter"):
        descent([], backend="cuda")


def test_gradients_that_cannot_be_used_change_nothing(device):
    learner = every_state({n: device.array(a) for n, a in parameters("dict").items()})
    good = {n: device.array(a) for n, a in parameters("dict").items()}
    learner.update(good)
    w, b = parameters("dict")["w"], good["b"]
    refused(learner, {"w": w, "b": b}, "The gradient of 'w' is a ndarray in the memory of the host")
    turned = device.array(w.T)
    refused(learner, {"w": turned, "b": b}, r"has shape \(4, 3\), its parameter \(3, 4\)")
    whole = device.array(w.astype(np.int32))
    refused(learner, {"w": whole, "b": b}, "has dtype int32, its parameter float32", ld.DtypeError)
    strided = interface(good["w"], strides=(4, 12))
    refused(learner, {"w": strided, "b": b}, r"not contiguous.*array.contiguous\(\)")
    refused(learner, {"w": None, "b": b}, "'w' is None; on a GPU every parameter needs one")
    state = learner.state["w"]["m"]
    refused(learner, {"w": state, "b": b}, "overlaps a state of 'w'")
    refused(learner, {"w": learner.parameters["w"], "b": b}, "overlaps parameter 'w'")
    elsewhere = Tensor(good["w"], device=1)
    refused(learner, {"w": elsewhere, "b": b}, "is on device 1, its parameter on 0")
    refused(learner, {"w": good["w"]}, "missing 'b'", ld.UnknownNameError)
    learner.update(good)


def test_left_out_parameters_are_refused_on_a_device(device):
    params = {n: device.array(a) for n, a in parameters("dict").items()}
    learner = descent(params, missing="skip")
    refused(learner, {"w": device.array(parameters("dict")["w"])}, "'b' is None; on a GPU")


def test_rows_as_an_extra_are_refused_on_a_device(device):
    place = device.array(np.zeros((4, 3), np.float32))
    learner = sophia([place])
    rows = ld.RowSparse([1], device.array(np.ones((1, 3), np.float32)), (4, 3))
    with pytest.raises(ld.ArrayError, match="The hessian_diag of 0 is row-sparse"):
        learner.update([device.array(np.ones((4, 3), np.float32))], hessian_diag=[rows])


def test_values_that_no_longer_fit_their_rows_are_refused_on_a_device(device):
    learner = descent([device.array(np.zeros((4, 3), np.float32))])
    values = Tensor(device.array(np.ones((2, 3), np.float32)))
    rows = ld.RowSparse([0, 1], values, (4, 3))
    values.shape = (1, 3)
    refused(learner, [rows], r"need values of shape \(2, 3\), got \(1, 3\)")


def test_a_sparse_tensor_is_told_to_be_row_sparse(device):
    learner = descent([device.array(np.zeros((2, 3), np.float32))])
    sparse = Tensor(device.array(np.ones((2, 3), np.float32)))

    def data_ptr():
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")

    sparse.is_sparse, sparse.data_ptr = True, data_ptr
    refused(learner, [sparse], r"is a sparse tensor.*RowSparse\(indices")


def test_tensors_of_bfloat16_are_read(device):
    start, bits = np.zeros((2, 3), np.float32), np.full((2, 3), 0x3F80, np.uint16)  # ones
    place = device.array(start)
    learner = descent([Tensor(place)], lr=1.0)
    learner.update([Tensor(device.array(bits), "torch.bfloat16")])
    np.testing.assert_array_equal(place.copy_to_host(), start - 1)
    narrow = Tensor(device.array(bits), "torch.bfloat16")
    learner = descent([narrow], lr=1.0)
    learner.update([interface(device.array(bits), typestr="<V2")])
    assert not narrow.view.copy_to_host().any()


def test_tensors_are_converted_and_copied_by_pytorch():
    torch = pytest.importorskip("torch")
    narrow = interop.converted(torch.tensor([1.0, 2.5]), "bfloat16")
    assert narrow.dtype == torch.bfloat16
    assert copy_to_host(narrow).dtype.name == "bfloat16"
    np.testing.assert_array_equal(copy_to_host(narrow).astype(float), [1.0, 2.5])


def test_number_types_that_nothing_converts_are_refused_together(device):
    params = [device.array(np.zeros(3, np.float32)) for _ in range(2)]
    given = [device.array(np.ones(3, t)) for t in (np.float32, np.float16)]
    refused(
        descent(params), given, "The gradient of 1 has another dtype than float32", ld.DtypeError
    )


def test_rows_on_a_device_must_be_in_order(device):
    values = device.array(np.ones((2, 3), np.float32))
    with pytest.raises(ld.ArrayError, match=r"gradient.coalesce\(\)"):
        ld.RowSparse(np.array([2, 1]), values, (4, 3))
    with pytest.raises(ld.ArrayError, match="2 rows of shape"):
        ld.RowSparse(np.array([1, 2]), device.array(np.ones((2, 2), np.float32)), (4, 3))
    dense = ld.RowSparse(np.array([1, 3]), values, (4, 3)).to_dense()
    np.testing.assert_array_equal(dense.sum(axis=1), [0, 3, 0, 3])


def test_the_stream_is_that_of_the_library(monkeypatch):
    stream = SimpleNamespace(cuda_stream=77, ptr=88)
    cuda = SimpleNamespace(current_stream=lambda device: stream, get_current_stream=lambda: stream)
    for library, expected in (("torch", 77), ("cupy", 88), ("other", 0)):
        monkeypatch.setitem(backends.importlib.sys.modules, library, SimpleNamespace(cuda=cuda))
        array = type("Array", (), {"__module__": f"{library}.core"})()
        assert stream_of(array, 0) == expected
    base = type("Tensor", (), {"__module__": "torch"})
    assert stream_of(type("Own", (base,), {"__module__": "mine"})(), 0) == 77


def test_numba_cuda_that_is_missing_is_named(monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(backends.importlib, "import_module", fail)
    with pytest.raises(ld.LearnerError, match=r"pip install 'learnerdsl\[cuda\]'"):
        backends.cuda_module("engine")


def test_rules_of_matrices_name_the_libraries_they_need(device, monkeypatch):
    monkeypatch.setattr(interop.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ld.LearnerError, match=r"muon works on whole matrices.*PyTorch or CuPy"):
        muon([device.array(np.ones((3, 4), np.float32))])
