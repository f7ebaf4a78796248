"""`Forms` reads addresses of tensors that look as expected, and refuses all others."""

import numpy as np
import pytest
import torch
from numba.core import config

from learnerdsl.runtime.arrays import dlpack
from learnerdsl.runtime.arrays.dlpack import UNUSUAL, Forms, function_of, objects_of

FUNCTION = function_of(torch.Tensor)
needs_exchange = pytest.mark.skipif(not FUNCTION, reason="this torch has no functions for C")

TENSORS = [
    torch.ones(3, 4),
    torch.ones(()),
    torch.ones(0, 5),
    torch.ones(3, 1, 4, dtype=torch.bfloat16),
    torch.ones(4, 3, dtype=torch.float64).t(),
    torch.ones(2, dtype=torch.complex128),
    torch.nn.Parameter(torch.ones(7, dtype=torch.float16)),
]


def forms(tensors, **named):
    shapes, strides = [t.shape for t in tensors], [t.stride() for t in tensors]
    return Forms(FUNCTION, tensors, shapes, strides, **named)


@needs_exchange
def test_addresses_are_those_of_the_tensors():
    known = forms(TENSORS)
    new = [tensor.detach().clone() for tensor in TENSORS]
    assert known.read(objects_of(new)) == 0
    assert known.addresses.tolist() == [tensor.data_ptr() for tensor in new]
    assert known.is_there.all()


@needs_exchange
def test_view_begins_at_its_own_element():
    base = torch.arange(10.0)
    known = forms([base[3:7]])
    assert known.read(objects_of([base[3:7]])) == 0
    assert known.addresses.tolist() == [base.data_ptr() + 12]


@needs_exchange
def test_missing_tensors_are_counted():
    known = forms(TENSORS)
    given = [None if k in (1, 4) else tensor for k, tensor in enumerate(TENSORS)]
    assert known.read(objects_of(given)) == 2
    assert np.flatnonzero(~known.is_there).tolist() == [1, 4]


UNLIKE = {
    "dtype": torch.ones(3, 4, dtype=torch.float64),
    "number type of the same size": torch.ones(3, 4, dtype=torch.int32),
    "shape": torch.ones(4, 3),
    "number of axes": torch.ones(12),
    "strides": torch.ones(4, 3).t(),
    "overlapping strides": torch.ones(1, 4).expand(3, 4),
    "layout": torch.ones(3, 4).to_sparse(),
    "device": torch.ones(3, 4, device="meta"),
}


@needs_exchange
@pytest.mark.parametrize("tensor", UNLIKE.values(), ids=UNLIKE)
def test_other_tensors_are_unusual(tensor):
    known = forms([torch.ones(2), torch.ones(3, 4)])
    assert known.read(objects_of([torch.ones(2), tensor])) == UNUSUAL
    assert known.read(objects_of([torch.ones(2), torch.ones(3, 4)])) == 0


@needs_exchange
def test_strides_matter_only_where_there_is_a_next_element():
    known = forms([torch.ones(3, 1, 4)])
    same = torch.ones(12).as_strided((3, 1, 4), (4, 99, 1))
    assert known.read(objects_of([same])) == 0


@needs_exchange
def test_memory_may_be_taken():
    base = torch.arange(100.0)
    start = base.data_ptr()
    taken = [start + 40, start + 80, start + 200, start + 240]
    known = forms([base[:5]], taken=taken)
    for first in range(60):
        own = start + 4 * first, start + 4 * first + 20
        bounds = zip(taken[::2], taken[1::2], strict=True)
        expected = any(own[0] < end and own[1] > begin for begin, end in bounds)
        assert (known.read(objects_of([base[first : first + 5]])) == UNUSUAL) == expected


@needs_exchange
def test_places_may_be_fixed():
    base = torch.arange(10.0)
    known = forms([base[:5]], places=[base.data_ptr()])
    assert known.read(objects_of([base[:5]])) == 0
    assert known.read(objects_of([base[1:6]])) == UNUSUAL
    assert known.read(objects_of([base[:5]])) == 0


def test_classes_without_these_functions_have_none(monkeypatch):
    class OfAnotherVersion:
        __dlpack_c_exchange_api__ = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)

    assert function_of(np.ndarray) == 0
    monkeypatch.setattr(dlpack, "MAJOR_VERSION", 2)
    assert function_of(OfAnotherVersion) == 0


def test_nothing_is_compiled_if_compilation_is_off(monkeypatch):
    class Own(torch.Tensor):
        pass

    monkeypatch.setattr(config, "DISABLE_JIT", True)
    assert function_of(Own) == 0
