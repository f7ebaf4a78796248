import ml_dtypes
import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.storage import (
    ARITHMETIC_TYPES,
    BLOCK,
    MASTERS,
    PARAMETER_TYPES,
    STORAGES,
    Precision,
    noise_multiplier,
    number_type,
)


@pytest.mark.parametrize("name", STORAGES)
def test_a_row_says_what_numpy_says(name):
    row = STORAGES[name]
    assert row.name == name == row.numpy.name
    assert row.itemsize == row.numpy.itemsize == np.dtype(row.raw).itemsize
    assert STORAGES[row.arithmetic].arithmetic == row.arithmetic == STORAGES[row.arithmetic].raw
    assert row.is_signed != (row.numpy.kind == "u")
    assert bool(row.block) == (row.numpy.kind in "iu")


def test_types_of_parameters_and_of_arithmetic():
    assert PARAMETER_TYPES == ("float32", "float64", "bfloat16", "float16")
    assert ARITHMETIC_TYPES == ("float32", "float64")
    assert BLOCK == 256


@pytest.mark.parametrize("name", MASTERS)
def test_a_master_has_the_bytes_of_its_array(name):
    master = MASTERS[name]
    for parameter in master.parameters:
        precision = Precision(parameter, parameter, (), name)
        kind = STORAGES[precision.rest].numpy if precision.rest in STORAGES else precision.rest
        assert np.dtype(kind).itemsize == master.bytes
        assert precision.rounds_parameter != master.is_exact


def test_only_narrow_parameters_are_rounded():
    rounded = {name for name in PARAMETER_TYPES if Precision.of(name).rounds_parameter}
    assert rounded == {"bfloat16", "float16"}


def test_arrays_have_noise_of_their_own():
    multipliers = [noise_multiplier(number) for number in range(64)]
    assert len(set(multipliers)) == 64
    assert multipliers[:2] == [1, 2**16]
    assert all(m % 2 and 0 < m < 2**32 for m in multipliers[2:])


def test_a_precision_describes_itself():
    plain = Precision()
    assert str(plain) == "float32"
    assert plain.arithmetic == "float32"
    full = Precision("bfloat16", "float32", (("m", "int8"), ("v", "uint8")), "split8", "stochastic")
    assert str(full) == (
        "bfloat16, float32 gradients, int8 m, uint8 v, master split8, stochastic rounding"
    )
    assert full.has_blocks
    assert full.rest == "int8"
    assert full.state("m") is STORAGES["int8"]
    assert full.state("other") is STORAGES["float32"]
    assert Precision("bfloat16", "bfloat16", (), "kahan").rest == "bfloat16"
    assert Precision("float64").state("m") is STORAGES["float64"]


def test_a_number_type_is_found_by_name_and_by_dtype():
    for given in ("bfloat16", np.dtype(ml_dtypes.bfloat16), ml_dtypes.bfloat16):
        assert number_type(given) is STORAGES["bfloat16"]
    assert number_type(np.float16) is STORAGES["float16"]


@pytest.mark.parametrize("given", ["int8", np.int64, ml_dtypes.float8_e4m3fn, bool])
def test_a_type_that_parameters_cannot_have_is_refused(given):
    with pytest.raises(ld.DtypeError, match="which cannot be updated; create it with one of"):
        number_type(given, "Parameter 'w'")


def test_without_ml_dtypes_a_sentence_says_so(monkeypatch):
    import sys  # noqa: PLC0415

    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ld.DtypeError, match=r"pip install .learnerdsl\[bfloat16\]"):
        _ = STORAGES["bfloat16"].numpy
    assert STORAGES["float16"].numpy == np.float16
