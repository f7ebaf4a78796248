"""The PTX of every builtin for three compute capabilities: what it holds, and what it must not."""

import re

import numpy as np
import pytest
from support.battery import BUILTINS
from support.problems import fitted
from support.ptx_text import CAPABILITIES, element_loops, in_double, ptx_for_all
from support.tiers import few_of_shared

from learnerdsl import LearnerError, learners
from learnerdsl.expr import Draw
from learnerdsl.layout import is_structured
from learnerdsl.runtime.cuda.engine import load_kernels

OF_A_SUM = re.compile(r"(cvt\.f64\.f32|(add|mul|fma|max|sub|neg|setp|selp)\b.*)")
"""What a reduction does in float64, so that squares neither overflow nor vanish; see `widened`."""


def programs(name, dtype="float32"):
    """The program of a rule for each kind of shape, once where they are the same."""
    rule = getattr(learners, name)
    shapes = fitted(name, ((7, 5), (7,)))
    return {p.source: p for p in (rule.program("cuda", dtype, shape=s) for s in shapes)}.values()


def passes(program):
    """(block, kernel) pairs of the passes over memory."""
    module = load_kernels(program)
    names = [level.element for level in program.levels if level.element]
    return list(zip(program.kernel.passes, (getattr(module, n) for n in names), strict=True))


def draws(block):
    return any(item.expression.has(Draw) for item in (*block.computes, *block.reduces))


@pytest.mark.parametrize("name", few_of_shared(BUILTINS))
def test_builtin_compiles_for_every_capability_as_memory_wants_it(name):
    for program in programs(name):
        module = load_kernels(program)
        blocks = {kernel: block for block, kernel in passes(program)}
        for level in program.levels:
            for function in filter(None, (level.model, level.tensor, level.element)):
                kernel = getattr(module, function)
                for capability, text in ptx_for_all(kernel).items():
                    assert f".target sm_{capability[0]}{capability[1]}" in text
                    assert ".local" not in text, "something is kept in local memory"
                    assert not re.search(r"\b(ld|st)\.[fsub]\d", text), "memory of no known kind"
                    if kernel in blocks:
                        check_pass(blocks[kernel], program.kernel, text)


def check_pass(block, kernel, text):
    """16 bytes at a time, and no float64 in the loops over elements but for sums."""
    if not is_structured(block, kernel) and not any(r.block for r in block.reduces):
        assert len(re.findall(r"ld\.global\.v4\.f32", text)) >= len(block.loads)
        assert len(re.findall(r"st\.global\.v4\.f32", text)) >= len(block.stores)
    if draws(block):
        return  # normal numbers are the CPU's, which are float64 until they are rounded
    loops = element_loops(text, "float32")
    assert loops
    for loop in loops:
        found = in_double(loop)
        assert not found or block.reduces, found
        assert all(OF_A_SUM.fullmatch(operation) for operation in found), found


def test_a_loop_in_double_would_be_found():
    (_, kernel), *_ = passes(next(iter(programs("adam", "float64"))))
    loops = element_loops(kernel.ptx((9, 0)), "float64")
    assert loops
    assert all(in_double(loop) for loop in loops)


def test_float64_goes_by_16_bytes_too():
    (block, kernel), *_ = passes(next(iter(programs("adam", "float64"))))
    text = kernel.ptx((9, 0))
    assert len(re.findall(r"ld\.global\.v2\.f64", text)) >= len(block.loads)
    assert len(re.findall(r"st\.global\.v2\.f64", text)) >= len(block.stores)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_what_users_see_is_what_the_tests_read(capability):
    def code(text):
        """All lines but those with the name of the kernel, which Numba makes of its types."""
        lines = text[text.index(".entry") :].splitlines()
        return [line for line in lines if "adam_pass" not in line]

    shown = learners.adam.ptx(cc=capability)
    for _, kernel in passes(next(iter(programs("adam")))):
        tested = code(ptx_for_all(kernel)[capability])
        start = shown.index(f".entry {kernel.name}")
        assert tested == code(shown[start:])[: len(tested)]


def test_machine_code_has_no_spills_and_leaves_room_for_several_blocks():
    linker = pytest.importorskip("cuda.core")
    for name in ("adam", "adamw", "sgd", "lion", "rmsprop"):
        for _, kernel in passes(next(iter(programs(name)))):
            options = linker.LinkerOptions(arch="sm_90", ptxas_options=["-v"])
            code = linker.ObjectCode.from_ptx(kernel.ptx((9, 0)).encode())
            link = linker.Linker(code, options=options)
            link.link("cubin")
            log = link.get_info_log()
            assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in log
            # 80 registers leave room for three blocks of 256 threads on a multiprocessor.
            assert int(re.search(r"Used (\d+) registers", log)[1]) <= 80


def test_a_learner_on_the_cpu_says_where_ptx_is_to_be_had():
    with pytest.raises(LearnerError, match=r"which has no PTX; write rule.ptx\(\)"):
        learners.sgd([np.zeros(3)]).ptx()


def test_a_compute_capability_that_is_none_is_refused():
    with pytest.raises(LearnerError, match="pair such as"):
        learners.adam.ptx(cc=(9,))
    with pytest.raises(LearnerError, match="pair such as"):
        learners.adam.ptx(cc="90")
    with pytest.raises(LearnerError, match=r"the lowest is \(7, 5\)"):
        learners.adam.ptx(cc=(5, 0))
