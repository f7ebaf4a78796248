"""The kernel that decodes the operands of functions of matrices, run on the CPU."""

import numpy as np
import pytest
from support.ptx_device import device

from learnerdsl.interpret.codecs import decode, decode_parameter, encode, encode_parameter
from learnerdsl.kernels.cuda import THREADS
from learnerdsl.runtime.cuda import builtin_kernels
from learnerdsl.runtime.cuda.device import Launch, Words
from learnerdsl.storage import STORAGES, Precision

__all__ = ["device"]

COUNT = 700
VALUES = np.random.default_rng(3).standard_normal(COUNT).astype(np.float32)


def case_of(encoding):
    """(array, second array, values) of an encoding."""
    if encoding not in STORAGES:
        name, _, master = encoding.rpartition(" ")
        precision = Precision(name or "bfloat16", master=master)
        stored, second = encode_parameter(precision, VALUES)
        return stored, second, decode_parameter(precision, stored, second)
    storage = STORAGES[encoding]
    values = VALUES.astype(storage.arithmetic)
    stored, scales = encode(storage, values if storage.is_signed else np.abs(values))
    return stored, scales, decode(storage, stored, scales)


@pytest.mark.parametrize("is_wide", [False, True])
@pytest.mark.parametrize("encoding", builtin_kernels.ENCODINGS)
def test_values_are_those_of_the_oracle(encoding, is_wide, device):
    stored, second, expected = case_of(encoding)
    target = device.array(np.zeros(COUNT, np.float64 if is_wide else np.float32))
    addresses = [0 if a is None else device.array(a).address for a in (stored, second)]
    number = builtin_kernels.ENCODINGS.index(encoding)
    kernel = builtin_kernels.decode
    words = Words((*addresses, target.address, COUNT, number, is_wide))
    device.launch(Launch(kernel, device.load(kernel), -(-COUNT // THREADS), words), 0)
    np.testing.assert_array_equal(target.copy_to_host(), expected.astype(target.dtype))
