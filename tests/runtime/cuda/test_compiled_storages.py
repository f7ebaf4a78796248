"""Narrow arrays in compiled kernels, run on the CPU, beside the oracle; and their PTX."""

import functools
import re

import numpy as np
import pytest
from support.narrow import CASES, TIERED, assert_stored_alike, run
from support.ptx_device import PtxDevice, device, use

from learnerdsl.kernels import packs
from learnerdsl.layout import is_structured
from learnerdsl.runtime.cuda.engine import load_kernels

__all__ = ["device"]

WHOLE = re.compile(r"ld\.global\.(?:v4\.[bfu]32|v2\.[bfu]64)")


@pytest.mark.parametrize("case", TIERED, ids=str)
def test_narrow_arrays_are_stored_as_the_oracle_does(case, device):
    learner, oracle = run(case, device.array, "cuda"), run(case, np.copy, "numpy")
    assert_stored_alike(learner, oracle)
    check_text(learner.program)


def check_text(program):
    """No local memory; where elements are loaded in packs, by 16 bytes as far as these go."""
    module, layout = load_kernels(program), program.layout
    for block, level in zip(program.kernel.passes, program.levels, strict=False):
        text = getattr(module, level.element).ptx((9, 0))
        assert ".local" not in text, "something is kept in local memory"
        assert not re.search(r"\b(ld|st)\.[fsub]\d", text), "memory of no known kind"
        if not is_structured(block, program.kernel):
            sizes = [layout.bytes_loaded(load.array) for load in block.loads]
            count = min(packs.PACK_BYTES // int(min(sizes)), 32 // int(max(sizes)), 8)
            wanted = sum(int(size) * count // packs.PACK_BYTES for size in sizes)
            assert len(WHOLE.findall(text)) >= wanted


@pytest.mark.parametrize("case", CASES[:2], ids=str)
def test_arrays_that_are_not_aligned_to_16_bytes_give_the_same(case, monkeypatch):
    device = use(PtxDevice(), monkeypatch)
    learner = run(case, functools.partial(device.array, offset=2), "cuda")
    assert_stored_alike(learner, run(case, np.copy, "numpy"))


def test_blocks_of_256_threads_share_8_bit_states(monkeypatch):
    device = use(PtxDevice(threads=256), monkeypatch)
    assert_stored_alike(run(CASES[1], device.array, "cuda"), run(CASES[1], np.copy, "numpy"))
