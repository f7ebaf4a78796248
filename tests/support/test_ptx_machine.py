"""The machine that runs PTX on the CPU: what instructions compute, and what accesses it refuses."""

import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from support.ptx_machine import Machine, Memory, MemoryFault, Race, Trap, Unsupported

pytest.importorskip("numba_cuda", reason="kernels are compiled by numba-cuda")
cuda = pytest.importorskip("numba.cuda")
types = pytest.importorskip("numba").types

F4, F8, I4, I8, U4, U8 = (np.dtype(name) for name in ("f4", "f8", "i4", "i8", "u4", "u8"))
RNG = np.random.default_rng(7)


def called(
    kernel: Callable[..., None], *arrays: np.ndarray, grid: int = 1, block: int = 64, **how: Any
) -> list[np.ndarray]:
    """The arrays after a launch of the kernel on them; skips the test where there is no NVVM."""
    kinds = [types.Array(getattr(types, array.dtype.name), 1, "C") for array in arrays]
    compiling = {"abi": "numba", "cc": (9, 0), "fastmath": how.pop("fastmath", False)}
    try:
        ptx, _ = cuda.compile(kernel, types.void(*kinds), device=False, **compiling)
    except Exception as error:
        if "nvvm" not in f"{type(error)} {error}".lower():
            raise
        pytest.skip(f"NVVM is not there: {error}")
    memory = Memory()
    places = [memory.place(array) for array in arrays]
    arguments = []
    for place, array in zip(places, arrays, strict=True):
        arguments += [0, 0, array.size, array.itemsize, place, array.size, array.itemsize]
    Machine(ptx).launch(None, grid, block, arguments, memory, **how)
    return [memory.read(place) for place in places]


def executed(lines: str, into: np.dtype[Any], *columns: np.ndarray) -> np.ndarray:
    """%o after some lines of PTX, which read %x0, %x1, ... of the columns."""
    kinds = [f"b{8 * column.itemsize}" for column in columns]
    names = "".join(f", .param .u64 x{k}" for k in range(len(columns)))
    loads = "".join(
        f".reg .{kind} %x{k}; ld.param.u64 %rd1, [x{k}];"
        f"mad.lo.u64 %rd1, %rd0, {int(kind[1:]) // 8}, %rd1; ld.global.{kind} %x{k}, [%rd1];\n"
        for k, kind in enumerate(kinds)
    )
    machine = Machine(f"""
        .version 8.0
        .visible .entry kernel(.param .u64 out{names})
        {{
        .reg .b64 %rd<4>; .reg .b32 %r<4>; .reg .pred %p<4>; .reg .b16 %h<2>;
        .reg .b{8 * into.itemsize} %o; mov.u32 %r0, %tid.x; cvt.u64.u32 %rd0, %r0; {loads} {lines}
        ld.param.u64 %rd1, [out]; mad.lo.u64 %rd1, %rd0, {into.itemsize}, %rd1;
        st.global.b{8 * into.itemsize} [%rd1], %o; ret;
        }}""")
    memory, size = Memory(), columns[0].size
    out = memory.place(np.zeros(size, into))
    machine.launch("kernel", 1, size, [out, *map(memory.place, columns)], memory)
    return memory.read(out)


def floats(count: int, dtype: Any, spread: int = 30) -> np.ndarray:
    return (RNG.normal(size=count) * 2.0 ** RNG.integers(-spread, spread, count)).astype(dtype)


def exact(values: np.ndarray) -> list[Fraction]:
    return [Fraction(float(value)) for value in values]


@pytest.mark.parametrize("dtype", [F8, F4])
def test_fma_is_rounded_once(dtype: np.dtype[Any]) -> None:
    a, b = floats(400, dtype), floats(400, dtype)
    c = (-(a * b) * (1 + RNG.integers(-1, 2, 400) * np.finfo(dtype).eps)).astype(dtype)
    c[::2] = floats(200, dtype, 40)
    found = executed(f"fma.rn.f{8 * dtype.itemsize} %o, %x0, %x1, %x2;", dtype, a, b, c)
    sides = [exact(np.nextafter(found, dtype.type(side))) for side in (-np.inf, np.inf)]
    for x, y, z, *near in zip(*map(exact, (a, b, c, found)), *sides, strict=True):
        assert min(near, key=lambda one: abs(x * y + z - one)) == near[0]


def test_fma_of_what_is_infinite_or_too_large_is_what_it_would_be() -> None:
    a, b = np.array([1e308, np.inf, 0.0, 1e300]), np.array([10.0, 2.0, np.inf, 1e-300])
    result = executed("fma.rn.f64 %o, %x0, %x1, %x2;", F8, a, b, np.array([1.0, -5.0, 1.0, 1.0]))
    assert np.array_equal(result, [np.inf, np.inf, np.nan, 2.0], equal_nan=True)


@pytest.mark.parametrize(("mode", "fits"), [("rm", operator.le), ("rp", operator.ge), ("rz", None)])
@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_directed_rounding_is_to_that_side(name: Any, mode: Any, fits: Any) -> None:
    a, b = floats(300, F4, 8), floats(300, F4, 8)
    result = executed(f"{name}.{mode}.f32 %o, %x0, %x1;", F4, a, b)
    for x, y, got in zip(*map(exact, (a, b, result)), strict=True):
        value = getattr(operator, name)(x, y)
        assert fits(got, value) if fits else abs(got) <= abs(value)
        assert abs(got - value) < np.spacing(np.float32(abs(got)))


INTEGERS: dict[str, Callable[..., int]] = {"add.s32": operator.add, "sub.u64": operator.sub}
INTEGERS |= {"mul.lo.s64": operator.mul, "max.s64": max, "min.u32": min, "xor.b64": operator.xor}
INTEGERS |= {f"mul.hi.{kind}64": lambda a, b: a * b >> 64 for kind in "us"}
INTEGERS |= {f"mul.hi.{kind}32": lambda a, b: a * b >> 32 for kind in "us"}
INTEGERS |= {"div.u32": operator.floordiv, "div.s64": lambda a, b: int(Fraction(a, b))}
INTEGERS |= {"rem.s32": lambda a, b: a - b * int(Fraction(a, b))}


@pytest.mark.parametrize("opcode", INTEGERS)
def test_integers_are_as_those_of_python_modulo_the_width(opcode: Any) -> None:
    letter, bits = opcode[-3], int(opcode[-2:])
    dtype = np.dtype(f"{'i' if letter == 's' else 'u'}{bits // 8}")
    low, top = np.iinfo(dtype).min, np.iinfo(dtype).max
    a, b = (RNG.integers(low, top, 200, dtype, endpoint=True) for _ in range(2))
    b[:50] = RNG.integers(1, 9, 50)
    result = executed(f"{opcode} %o, %x0, %x1;", dtype, a, b)
    for x, y, found in zip(a.tolist(), b.tolist(), result.tolist(), strict=True):
        assert (found - INTEGERS[opcode](x, y)) % 2**bits == 0


def test_wide_products_and_carries_make_products_of_128_bits() -> None:
    a, b = (RNG.integers(0, 2**64, 100, np.uint64, endpoint=False) for _ in range(2))
    high = """{ .reg .u32 al, ah, bl, bh, r0, r1, r2, r3;
        mov.b64 {al, ah}, %x0; mov.b64 {bl, bh}, %x1;
        mul.lo.u32 r0, al, bl; mul.hi.u32 r1, al, bl;
        mad.lo.cc.u32 r1, al, bh, r1; madc.hi.u32 r2, al, bh, 0;
        mad.lo.cc.u32 r1, ah, bl, r1; madc.hi.cc.u32 r2, ah, bl, r2; madc.hi.u32 r3, ah, bh, 0;
        mad.lo.cc.u32 r2, ah, bh, r2; addc.u32 r3, r3, 0; mov.b64 %o, {r2, r3}; }"""
    expected = [x * y >> 64 for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert executed(high, U8, a, b).tolist() == expected


# Instructions, where _ is %o, %x0, and in hexadecimal %x0 and %o.
BITS = """
shl.b32 _, 31; 3 80000000 | shl.b32 _, 40; 3 0 | cnot.b32 _; 0 1 | popc.b32 _; f0f 8
shr.u32 _, 32; 80000000 0 | shr.s32 _, 99; 80000000 ffffffff | shf.r.clamp.b32 _, 5, 32; 7 5
bfe.u32 _, 4, 8; 12345 34 | bfe.s32 _, 4, 4; f0 ffffffff | bfi.b32 _, 0, 8, 4; ab b00
shf.l.wrap.b32 _, 1, 36; f0000000 1f | prmt.b32 _, 0, 0x123; 11223344 44332211
prmt.b32 _, 0, 8; 80 808080ff | clz.b32 _; 1 1f | clz.b32 _; 0 20 | brev.b32 _; 1 80000000
bfind.u32 _; 100 8 | bfind.s32 _; ffffffff ffffffff | bfind.shiftamt.u32 _; 100 17
slct.b32.s32 %o, 1, 2, %x0; ffffffff 2 | set.gt.u32.s32 _, 0; 4 ffffffff
mad.wide.u32 %rd2, %x0, %x0, 5; shr.u64 %rd2, %rd2, 32; cvt.u32.u64 %o, %rd2; ffffffff fffffffe
sub.cc.u32 %r1, %x0, 1; subc.u32 %o, 5, 0; 0 4 | sub.cc.u32 %r1, %x0, 1; subc.u32 %o, 5, 0; 1 5
mov.b32 {%h0, %h1}, %x0; mov.b32 %o, {%h1, %h0}; 11112222 22221111
cvt.s32.s8 _; 1ff ffffffff | cvt.sat.u8.s32 _; 12c ff | cvt.u16.u32 _; 12345 2345
cvt.rni.s32.f32 _; 40200000 2 | cvt.rpi.s32.f32 _; 40200000 3 | cvt.rni.s32.f32 _; 7fc00000 0
cvt.rzi.s32.f32 _; e0ad78ec 80000000 | cvt.rzi.u32.f32 _; 60ad78ec ffffffff
cvt.f64.f32 %rd2, %x0; cvt.rni.s32.f64 %o, %rd2; 7fc00000 80000000
cvt.rn.f16.f32 %h0, %x0; cvt.u32.u16 %o, %h0; 3f800000 3c00 | cvt.rzi.u32.f32 _; bf800000 0
cvt.rn.bf16.f32 %h0, %x0; cvt.f32.bf16 %o, %h0; 3f818000 3f820000 | add.f32 _, 0f00000000; 1 1
add.ftz.f32 _, 0f80000000; 80000001 80000000 | mul.ftz.f32 _, 0f00800000; 3f000000 0
min.f32 _, 0f3F800000; 7fc00000 3f800000 | cvt.rn.f32.u32 _; 1000001 4b800000
.shared .align 4 .b8 p[8]; ld.shared.b32 %o, [p+4]; 0 ffffffff
"""


@pytest.mark.parametrize("case", re.findall(r"[^|\n]+", BITS), ids=str.strip)
def test_bits_become_others_as_ptx_says(case: str) -> None:
    lines, given, expected = case.strip().rsplit(" ", 2)
    found = executed(lines.replace("_", "%o, %x0"), U4, np.array([int(given, 16)] * 2, U4))
    assert found.tolist() == [int(expected, 16)] * 2


def test_comparisons_with_what_is_no_number_are_ordered_or_not() -> None:
    a, b = np.array([1, 2, np.nan, 2], F4), np.array([2, 2, 1, 1], F4)
    expected = {"lt": "1000", "ltu": "1010", "ne": "1001", "neu": "1011", "equ": "0110"}
    expected |= {"nan": "0010", "num": "1101", "geu": "0111", "gt": "0001"}
    cases = {f"setp.{name}.f32 %p0, %x0, %x1;": wanted for name, wanted in expected.items()}
    cases["setp.gt.f32 %p1, %x1, 0f3F800000; setp.ge.and.f32 %p2|%p0, %x0, %x1, %p1;"] = "1000"
    for lines, wanted in (cases | {"testp.notanumber.f32 %p0, %x0;": "0010"}).items():
        found = executed(f"{lines} selp.b32 %o, 1, 0, %p0;", U4, a, b)
        assert "".join(map(str, found)) == wanted
    assert np.isnan(executed("min.NaN.f32 %o, %x0, %x1;", F4, a, b)[2])


def test_a_vector_load_at_an_unaligned_address_is_a_fault() -> None:
    machine = Machine("""
        .entry kernel(.param .u64 x) {
        .reg .b64 %a; .reg .b32 %r; .reg .f32 %f<4>;
        ld.param.u64 %a, [x]; mov.u32 %r, %tid.x; mad.wide.u32 %a, %r, 16, %a;
        ld.global.nc.v4.f32 {%f0, %f1, %f2, %f3}, [%a];
        st.global.v4.f32 [%a], {%f3, %f2, %f1, %f0}; ret; }""")
    memory, x = Memory(), np.arange(64, dtype=F4)
    places = [memory.place(x, offset=offset) for offset in (0, 16, 4)]
    for place in places[:2]:
        machine.launch(None, 1, 16, [place], memory)
        assert np.array_equal(memory.read(place), x.reshape(-1, 4)[:, ::-1].ravel())
    with pytest.raises(MemoryFault, match=r"not aligned to 16 bytes: line 5: ld\.global\.nc\.v4"):
        machine.launch(None, 1, 16, places[2:], memory)
    with pytest.raises(MemoryFault, match=r"0x7f\w+ is not in one buffer .* line 5"):
        machine.launch(None, 1, 17, places[:1], memory)


@cuda.jit(device=True, inline="always")
def adam(p: Any, g: Any, m: Any, v: Any) -> Any:
    m = np.float32(0.9) * m + np.float32(0.1) * g
    v = np.float32(0.99) * v + np.float32(0.01) * g**2
    return p - np.float32(0.5) * m / (math.sqrt(v) + np.float32(1e-6)), m, v


def adam_of_arrays(p: Any, g: Any, m: Any, v: Any) -> None:
    for k in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        p[k], m[k], v[k] = adam(p[k], g[k], m[k], v[k])


def test_an_optimizer_step_is_that_of_numpy() -> None:
    arrays = [RNG.normal(size=400).astype(F4) ** power for power in (1, 1, 1, 2)]
    found = called(adam_of_arrays, *arrays, grid=2, order=[1, 0])
    expected = np.array([adam.py_func(*row) for row in zip(*arrays, strict=True)]).T
    for got, wanted in zip([found[0], *found[2:]], expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def shifted(x: Any, y: Any) -> None:
    y[cuda.grid(1)] = x[cuda.grid(1) + types.int64(y[0])]


@pytest.mark.parametrize("by", [-100, 1, 10**9])
def test_a_load_outside_of_a_buffer_is_a_fault(by: int) -> None:
    with pytest.raises(MemoryFault, match=r"not in one buffer|in no space"):
        called(shifted, np.ones(64), np.full(64, float(by)), races=False)


def functions(x: Any, y: Any) -> None:
    i = cuda.grid(1)
    a = x[i]
    y[8 * i] = math.exp(a)
    y[8 * i + 1] = math.log(a)
    y[8 * i + 2] = math.sin(a)
    y[8 * i + 3] = math.cos(a)
    y[8 * i + 4] = math.tanh(a)
    y[8 * i + 5] = a**1.7
    y[8 * i + 6] = math.sqrt(a)
    y[8 * i + 7] = y[8 * i + 7] / a


@pytest.mark.parametrize(
    ("dtype", "fastmath", "error"), [(F8, False, 2e-15), (F4, False, 6e-7), (F4, True, 4e-5)]
)
def test_functions_are_those_of_numpy(dtype: Any, fastmath: bool, error: float) -> None:
    # The sine of the last two is a function of its own.
    x = np.array([*10.0 ** RNG.uniform(-6, 1.5, 96), *RNG.uniform(0.1, 8, 30), 1e9, 1e15], dtype)
    y = called(functions, x, np.full(8 * 128, 2, dtype), grid=2, fastmath=fastmath)[1]
    x, y = x.astype(F8), y.reshape(-1, 8)
    with np.errstate(over="ignore"):
        expected = [np.exp(x), np.log(x), np.sin(x), np.cos(x), np.tanh(x), x**1.7]
    np.testing.assert_allclose(y[:, :6], np.stack(expected, 1), rtol=error, atol=error / 9)
    np.testing.assert_allclose(y[:, 6:], np.stack([np.sqrt(x), 2 / x], 1), rtol=error / 3)


def total(x: Any, y: Any) -> None:
    """Waits for what is in shared memory if y says so."""
    parts = cuda.shared.array(64, types.float32)
    thread = cuda.threadIdx.x
    mine = types.float32(0)
    for k in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        mine += x[k]
    parts[thread] = mine
    if y[cuda.blockIdx.x]:
        cuda.syncthreads()
    half = 32
    while half:
        if thread < half:
            parts[thread] += parts[thread + half]
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        y[cuda.blockIdx.x] = parts[0]


@pytest.mark.parametrize("order", [None, [3, 1, 0, 2]])
def test_a_sum_over_shared_memory_is_that_of_numpy(order: Any) -> None:
    x = RNG.integers(-99, 99, 1000).astype(F4)
    y = called(total, x, np.ones(4, F4), grid=4, order=order)[1]
    assert y.sum() == x.sum()
    assert y[1] == sum(x[start : start + 64].sum() for start in range(64, 1000, 256))


def test_a_sum_that_does_not_wait_is_a_race() -> None:
    x = np.ones(64, F4)
    with pytest.raises(Race, match=r"in buffer 0, by thread \d+: line \d+: ld\.shared"):
        called(total, x, np.zeros(1, F4))
    called(total, x, np.zeros(1, F4), races=False)


def blocks_write(x: Any, y: Any) -> None:
    y[cuda.blockIdx.x] = x[0]
    x[cuda.blockIdx.x] = y[cuda.blockIdx.x]


def writes_behind_readers(x: Any, y: Any) -> None:
    y[cuda.threadIdx.x] = x[0]
    if x[1]:
        cuda.syncthreads()
    if cuda.threadIdx.x == 1:
        x[0] = y[1]


RACES = [(blocks_write, 1, 64), (blocks_write, 2, 1), (writes_behind_readers, 1, 64)]


@pytest.mark.parametrize(("kernel", "grid", "block"), RACES)
def test_accesses_without_an_order_are_a_race(kernel: Any, grid: Any, block: Any) -> None:
    with pytest.raises(Race):
        called(kernel, np.zeros(64, F4), np.zeros(64, F4), grid=grid, block=block)


def test_accesses_in_an_order_are_no_race() -> None:
    called(blocks_write, np.ones(64, F4), np.zeros(64, F4), block=1)
    called(writes_behind_readers, np.ones(64, F4), np.zeros(64, F4))


@cuda.jit(device=True, inline="always")
def collatz(n: Any) -> Any:
    steps = 0
    while n != 1 and steps < 100:
        n = 3 * n + 1 if n % 2 else n // 2
        steps += 1
    return steps


def collatz_of_arrays(x: Any, y: Any) -> None:
    y[cuda.grid(1)] = collatz(x[cuda.grid(1)])


def test_threads_that_part_meet_again() -> None:
    x = np.arange(1, 65)
    y = called(collatz_of_arrays, x, np.zeros(64, I8))[1]
    assert y.tolist() == [collatz.py_func(n) for n in range(1, 65)]


def philox(x: Any, y: Any) -> None:
    i = cuda.grid(1)
    a, b, key = x[i], x[i] ^ np.uint32(12345), np.uint32(77)
    for _ in range(10):
        product = np.uint64(a) * np.uint64(0xD256D193)
        a = np.uint32(np.uint32(product >> np.uint64(32)) ^ key ^ b)
        b = np.uint32(product)
        key = np.uint32(key + np.uint32(0x9E3779B9))
    y[i] = (np.uint64(a) << np.uint64(32)) | np.uint64(b)


def test_rounds_of_philox_are_those_of_python() -> None:
    x = RNG.integers(0, 2**32, 64, np.uint32)
    for value, a in zip(called(philox, x, np.zeros(64, U8))[1].tolist(), x.tolist(), strict=True):
        b, key = a ^ 12345, 77
        for _ in range(10):
            product = a * 0xD256D193
            a, b, key = (product >> 32) ^ key ^ b, product % 2**32, (key + 0x9E3779B9) % 2**32
        assert value == (a << 32) | b


def counted(x: Any, y: Any) -> None:
    parts = cuda.shared.array(1, x.dtype)
    if cuda.threadIdx.x == 0:
        parts[0] = 0
    cuda.syncthreads()
    cuda.atomic.add(parts, 0, x[cuda.grid(1)])
    cuda.atomic.max(y, 1, x[cuda.grid(1)])
    cuda.atomic.min(y, 2, x[cuda.grid(1)])
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        cuda.atomic.add(y, 0, parts[0])


@pytest.mark.parametrize("dtype", [I8, F8])  # of which the latter is a loop with compare and swap
def test_atomics_take_turns(dtype: np.dtype[Any]) -> None:
    x = RNG.integers(-(2**40), 2**40, 128).astype(dtype)
    assert called(counted, x, np.zeros(3, dtype), grid=2)[1].tolist() == [x.sum(), x.max(), x.min()]


def sorted_in_local(x: Any, y: Any) -> None:
    mine = cuda.local.array(8, types.float64)
    start = 8 * cuda.grid(1)
    for k in range(8):
        mine[int(x[start + k]) % 8] = k
    for k in range(8):
        y[start + k] = mine[k]


def test_local_memory_is_that_of_the_thread() -> None:
    x = np.stack([RNG.permutation(8) for _ in range(64)]).astype(F8)
    y = called(sorted_in_local, x.ravel(), np.zeros(512))[1]
    assert np.array_equal(y.reshape(64, 8), np.argsort(x, axis=1))


REFUSED = [("trap;", Trap, "trap"), ("again: bra again;", Trap, "no end is in sight at line 6")]
REFUSED += [("wgmma.fence.sync.aligned;", Unsupported, "wgmma.fence.sync.aligned")]
REFUSED += [("add.f32.madeup %r1, %r1, %r1;", Unsupported, r"line \d+: add\.f32\.madeup")]
REFUSED += [("call.uni nowhere, ();", Unsupported, "not in the module")]
REFUSED += [("ld.global.u32 %r1, [%rd0];", MemoryFault, "in no space")]
REFUSED += [("st.shared.u8 [%r0], %r0;", MemoryFault, "not in one buffer")]


@pytest.mark.parametrize(("lines", "error", "match"), REFUSED)
def test_what_a_machine_cannot_do_is_said_with_the_line(lines: Any, error: Any, match: Any) -> None:
    with pytest.raises(error, match=match):
        executed(f"mov.u32 %o, 0; {lines}", U4, np.zeros(2, U4))
