"""The hot loops that `asm(loop=True)` and `ptx(loop=True)` show: their numbers and their lines."""

import platform
import re

import llvmlite.binding as llvm
import numpy as np
import pytest
from support.rules import clipped_adamw_ema, my_rmsprop

import learnerdsl as ld
from learnerdsl import inspection
from learnerdsl.inspection import assembly
from learnerdsl.inspection.instructions import ARM, X86, read_arm, read_ptx, read_x86
from learnerdsl.learners import adafactor, adam, lamb

x86_only = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly"
)


@ld.rule
def curved(p, g, lr=0.1):
    """A rule that calls the power function of the C library."""
    return ld.assign(p, p - lr * ld.abs(g) ** (2 * lr))


def widest(text, opcode):
    """The width of the largest register of an operation in a whole assembly, in bits."""
    letters = set(re.findall(rf"\bv?{opcode}\s.*%([xyz])mm\d+", text))
    return max({"x": 128, "y": 256, "z": 512}[letter] for letter in letters)


@x86_only
@pytest.mark.parametrize(
    ("dtype", "opcode", "number"), [("float32", "mulps", 4), ("float64", "mulpd", 8)]
)
def test_adam_is_one_loop_of_the_widest_vectors(dtype, opcode, number):
    (hot,) = adam.asm(dtype, loop=True)
    assert hot.bits == widest(adam.asm(dtype), opcode)
    assert hot.width == hot.bits // (8 * number)
    assert hot.is_vector
    assert (hot.scalar, hot.calls, hot.spills) == ((), (), 0)
    # Adam writes three numbers for each element, and nothing else.
    stored = sum(hot.bits // 8 for own in hot.instructions if own.stores)
    assert hot.elements == stored / (3 * number)
    assert hot.unrolled == hot.elements / hot.width
    assert f"vectors of {hot.bits} bits, {hot.width} float{8 * number}" in str(hot)
    assert "everything is vectors" in str(hot)


@x86_only
@pytest.mark.parametrize("rule", [adam, my_rmsprop, lamb])
def test_instructions_are_those_that_run_and_stand_under_their_lines(rule):
    listing = inspection.listings(rule.program())
    source = rule.source().splitlines()
    for hot in rule.asm(loop=True):
        running = [" ".join(line.split()) for line in listing[hot.function].assembly.splitlines()]
        texts = [own.text for own in hot.instructions]
        assert any(running[k : k + len(texts)] == texts for k in range(len(running)))
        assert hot.is_located
        own_lines = [own for own in hot.instructions if own.place in hot.source]
        # A power may be Numba's own function, from a file of Numba.
        assert len(own_lines) >= 0.8 * len(hot.instructions)
        for own in own_lines:
            line = source[own.place[1] - 1]
            assert hot.first_line <= own.place[1] <= hot.last_line
            assert line == hot.source[own.place]
            assert "sqrt" not in own.text or "sqrt" in line
            assert "div" not in own.text or " / " in line
            assert not own.stores or re.match(r"\s+\w+\[i\] = ", line)
            assert not own.text.startswith("j") or "for i in" in line


@x86_only
def test_lines_stand_in_the_order_of_the_source_and_numbers_in_that_of_the_code():
    (hot,) = my_rmsprop.asm(loop=True)
    text = str(hot).split("\n\n")[1]
    lines = [int(n) for n in re.findall(r"^ {3,4}(\d+)  ", text, re.MULTILINE)]
    numbers = [int(n) for n in re.findall(r"^ {5,}(\d+)  ", text, re.MULTILINE)]
    assert lines == sorted(lines)
    assert sorted(numbers) == list(range(1, len(hot.instructions) + 1))
    places = sorted(own.place for own in hot.instructions)
    assert [hot.instructions[number - 1].place for number in numbers] == places


@x86_only
def test_calls_of_the_c_library_are_named():
    (hot,) = curved.asm(loop=True)
    assert set(hot.calls) == {"powf"}
    assert not hot.is_vector
    assert "calls of powf" in str(hot)
    # Unrolled or not, there is a call for each element.
    assert len(hot.calls) == hot.elements


@x86_only
def test_every_sweep_has_its_loops():
    assert [hot.function for hot in clipped_adamw_ema.asm(loop=True)] == [
        level.element for level in clipped_adamw_ema.program().levels if level.element
    ]
    blocks = adam.asm("bfloat16", loop=True, states={"m": "int8", "v": "uint8"})
    # The update, and the codes of each state when the scale of a block is known.
    assert len(blocks) == 3
    assert {hot.elements % hot.width for hot in blocks} == {0}
    rows = adafactor.asm(loop=True)
    assert [hot.number for hot in rows] == [8, 4, 4]  # the first one adds up in float64
    assert all(hot.is_vector for hot in rows)


@x86_only
def test_a_learner_shows_the_loops_of_all_its_programs():
    params = [np.ones(4, np.float32), np.ones(4)]
    both = adam(params).asm(loop=True)
    assert [hot.number for hot in both] == [4, 8]
    assert str(both) == "\n\n".join(map(str, both))
    assert both.loops == (*adam.asm(loop=True), *adam.asm("float64", loop=True))
    assert isinstance(adam(params).asm(), str)


def test_loops_of_another_target_are_refused():
    with pytest.raises(ld.HyperparameterError, match=r"shown by ptx\(\)"):
        inspection.asm_loops(adam.program("cuda"))


def test_loops_of_unknown_processors_are_refused():
    with pytest.raises(ld.HyperparameterError, match=r"only those of x86-64 and AArch64"):
        assembly.read("\tblr\n\tlwz 3, 0(4)\n")


# A loop in LLVM's language: y <- a*x + y, which every target can vectorise.
AXPY = """
define void @axpy({t}* noalias %x, {t}* noalias %y, {t} %a, i64 %n) {{
entry:
  %empty = icmp sle i64 %n, 0
  br i1 %empty, label %done, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %xp = getelementptr {t}, {t}* %x, i64 %i
  %yp = getelementptr {t}, {t}* %y, i64 %i
  %xv = load {t}, {t}* %xp
  %yv = load {t}, {t}* %yp
  %ax = fmul {t} %xv, %a
  %sum = fadd {t} %ax, %yv
  store {t} %sum, {t}* %yp
  %next = add i64 %i, 1
  %end = icmp eq i64 %next, %n
  br i1 %end, label %done, label %loop
done:
  ret void
}}
"""


def compiled(number, triple, features):
    """The assembly of `AXPY` for a target that need not be this machine."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(AXPY.format(t={4: "float", 8: "double"}[number]))
    module.triple = triple
    target = llvm.Target.from_triple(triple)
    machine = target.create_target_machine(features=features, opt=3)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_assembly(module)


TARGETS = [
    ("x86_64-unknown-linux-gnu", "", X86, 128),
    ("x86_64-unknown-linux-gnu", "+avx2", X86, 256),
    ("x86_64-unknown-linux-gnu", "+avx512f,+avx512vl,-prefer-256-bit", X86, 512),
    ("aarch64-unknown-linux-gnu", "+neon", ARM, 128),
]


@pytest.mark.parametrize("number", [4, 8])
@pytest.mark.parametrize(("triple", "features", "processor", "bits"), TARGETS)
def test_widths_are_those_that_the_target_has(triple, features, processor, bits, number):
    listed = assembly.read(compiled(number, triple, features))
    assert listed.processor == processor
    found = assembly.innermost(assembly.loops(listed))
    best = max(found, key=lambda loop: (loop.is_vector, loop.advance))
    assert best.is_vector
    assert best.bits(number) == bits
    assert not best.of("scalar")
    # Each vector that is stored is one of y, and no other array is written.
    stores = [own for own in best.of("vector") if own.stores]
    each = [2 if own.text.startswith("stp") else 1 for own in stores]
    assert best.advance == sum(each) * bits // 8
    scalar = [loop for loop in found if not loop.is_vector]
    assert all(loop.computes_scalars and loop.bits(number) == 0 for loop in scalar)
    assert any(loop.advance == number for loop in scalar)


@pytest.mark.parametrize(
    ("text", "kind", "bits", "computes"),
    [
        ("vmulps (%r10,%r11,4), %zmm10, %zmm19", "vector", 512, True),
        ("mulps %xmm1, %xmm2", "vector", 128, True),
        ("vbroadcastss (%rdx), %ymm10", "vector", 256, False),
        ("vpmaxsd %zmm19, %zmm31, %zmm31 {%k1}", "vector", 512, False),
        ("vcvtps2pd %ymm1, %zmm2", "vector", 512, False),
        ("vmulss %xmm3, %xmm8, %xmm9", "scalar", 0, True),
        ("vmovd %eax, %xmm1", "scalar", 0, False),
        ("vcvtsi2ssl %eax, %xmm1, %xmm2", "scalar", 0, False),
        ("vucomiss %xmm1, %xmm2", "scalar", 0, False),
        ("movzwl (%r8,%rdx,2), %eax", "scalar", 0, False),
        ("addq $16, %r11", "other", 0, False),
        ("leaq 4(%rdx), %rdx", "other", 0, False),
        ("callq *%rbp", "call", 0, False),
        ("jne .LBB0_19", "jump", 0, False),
    ],
)
def test_instructions_of_x86_are_told_apart(text, kind, bits, computes):
    own = read_x86(text)
    assert (own.kind, own.bits, own.computes) == (kind, bits, computes)


@pytest.mark.parametrize(
    ("text", "kind", "bits", "computes"),
    [
        ("fmul v1.4s, v2.4s, v0.s[0]", "vector", 128, True),
        ("fadd v1.2s, v2.2s, v3.2s", "vector", 64, True),
        ("ldp q1, q2, [x8, #-16]", "vector", 128, False),
        ("fsqrt s1, s2", "scalar", 0, True),
        ("ldr s1, [x0, x8, lsl #2]", "scalar", 0, False),
        ("ldrh w1, [x0], #2", "scalar", 0, False),
        ("fadd z1.s, z2.s, z3.s", "vector", 0, True),
        ("subs x9, x9, #8", "other", 0, False),
        ("bl powf", "call", 0, False),
        ("b.ne .LBB0_4", "jump", 0, False),
    ],
)
def test_instructions_of_arm_are_told_apart(text, kind, bits, computes):
    own = read_arm(text)
    assert (own.kind, own.bits, own.computes) == (kind, bits, computes)


@pytest.mark.parametrize(
    ("text", "kind", "bits", "stores", "is_spill"),
    [
        ("ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1];", "vector", 128, False, False),
        ("st.global.f64 [%rd1+8], %fd1;", "scalar", 64, True, False),
        ("st.local.u32 [%rd1], %r1;", "scalar", 32, True, True),
        ("@%p1 bra $L__BB0_2;", "jump", 0, False, False),
        ("ld.param.u64 %rd1, [k_param_0];", "other", 0, False, False),
    ],
)
def test_instructions_of_ptx_are_told_apart(text, kind, bits, stores, is_spill):
    own = read_ptx(text)
    assert (own.kind, own.bits, own.stores, own.is_spill) == (kind, bits, stores, is_spill)


def test_stack_without_index_is_a_spill_and_with_one_an_array():
    assert read_x86("vmovups %zmm0, 304(%rsp)").is_spill
    assert not read_x86("vmovups %zmm0, 304(%rsp,%rcx,4)").is_spill


@x86_only
def test_lines_of_other_code_are_marked_as_far_as_it_is_the_same():
    other = 'f:\n\t.file 1 "k.py"\n\t.loc 1 7 0\n\taddq $1, %rax\n\tvmulps %ymm1, %ymm2, %ymm3\n'
    own = "f:\n\taddq $1, %rax\n\tvaddps %ymm1, %ymm2, %ymm3\n"
    listed, is_same = assembly.with_lines(own, other)
    assert not is_same
    assert [i.place for i in listed.instructions] == [("k.py", 7), None]


# --- PTX -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "accesses", "elements"), [("float32", 7, 4), ("float64", 14, 4), ("bfloat16", 11, 8)]
)
def test_adam_on_a_gpu_moves_vectors_of_128_bits(dtype, accesses, elements):
    pytest.importorskip("numba_cuda")
    (hot,) = adam.ptx(dtype=dtype, loop=True)
    # Four arrays are read and three are written; float32 states of bfloat16 take two accesses.
    moved = [own for own in hot.instructions if own.addresses]
    assert len(moved) == accesses
    assert {own.bits for own in moved} == {hot.bits} == {128}
    assert hot.elements == elements
    assert hot.target == "PTX"
    assert hot.instructions_per_element == len(hot.instructions) / elements
    assert hot.is_vector


def test_registers_and_spills_are_those_of_the_assembler():
    pytest.importorskip("numba_cuda")
    pytest.importorskip("cuda.core")
    (hot,) = adam.ptx(loop=True)
    if hot.registers is None:
        assert "NVIDIA's assembler is not installed" in str(hot)
    else:
        # With 256 threads in a block and two blocks at once, a thread has 128 registers.
        assert 32 <= hot.registers <= 128
        assert hot.spilled_bytes == 0
        assert f"{hot.registers} registers, none spilled" in str(hot)


def test_sweeps_over_rows_on_a_gpu_have_loops():
    pytest.importorskip("numba_cuda")
    found = adafactor.ptx(loop=True)
    assert [hot.function for hot in found] == [f"adafactor_pass_{k}" for k in (1, 2, 3)]
    assert all(hot.elements and hot.width == 1 for hot in found)
    assert "block_pass" in adam.loops("cuda", "bfloat16", states={"m": "int8"})
