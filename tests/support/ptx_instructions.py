"""What PTX instructions compute, as NumPy operations on arrays with a value for each thread."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Compute = Callable[..., Any]


class Unsupported(Exception):
    """An instruction, or a form of one, that the machine does not know."""


TYPES: dict[str, np.dtype[Any]] = {f"f{8 * size}": np.dtype(f"f{size}") for size in (2, 4, 8)}
for letter, sort in ("bu", "uu", "si"):
    TYPES |= {f"{letter}{8 * size}": np.dtype(f"{sort}{size}") for size in (1, 2, 4, 8)}
TYPES |= {"pred": np.dtype(bool), "carry": np.dtype(bool), "bf16": np.dtype("u2")}

COMPARE: dict[str, Compute] = {"eq": np.equal, "ge": np.greater_equal, "gt": np.greater}
COMPARE |= {"le": np.less_equal, "lt": np.less, "neu": np.not_equal, "ls": np.less_equal}
COMPARE |= {"lo": np.less, "hi": np.greater, "hs": np.greater_equal}
# With NaN comparisons are false, which np.not_equal is not; those that end in u are true.
COMPARE |= {"ne": lambda a, b: (a < b) | (a > b), "equ": lambda a, b: ~((a < b) | (a > b))}
COMPARE |= {"ltu": lambda a, b: ~(a >= b), "leu": lambda a, b: ~(a > b)}
COMPARE |= {"gtu": lambda a, b: ~(a <= b), "geu": lambda a, b: ~(a < b)}
COMPARE |= {"nan": lambda a, b: (a != a) | (b != b), "num": lambda a, b: (a == a) & (b == b)}

TESTS: dict[str, Compute] = {"finite": np.isfinite, "infinite": np.isinf, "notanumber": np.isnan}
TESTS |= {"number": lambda a: a == a, "subnormal": lambda a: (a != 0) & (flushed(a) == 0)}
TESTS |= {"normal": lambda a: np.isfinite(a) & (flushed(a) != 0)}

LOGICAL: dict[str, Compute] = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
ROUND: dict[str, Compute] = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}
DIRECTED = ("rz", "rm", "rp")
MODIFIERS = {"rn", "ftz", "sat", "approx", "full", "lo", "hi", "wide", "cc", "NaN", "l", "r"}
MODIFIERS |= {"wrap", "clamp", "shiftamt", *DIRECTED, *ROUND, *LOGICAL, *TESTS, *COMPARE}


class Code:
    """An opcode taken apart: its name, its types, and what else modifies it."""

    def __init__(self, opcode: str) -> None:
        self.name, *rest = opcode.split(".")
        self.types = [part for part in rest if part in TYPES]
        self.modifiers = frozenset(rest) - set(self.types)
        self.kind = self.types[-1] if self.types else ""

    def one_of(self, choices: Iterable[str]) -> str | None:
        """The one of the `choices` that is among the modifiers."""
        return next((choice for choice in choices if choice in self.modifiers), None)

    def best(self, table: Iterable[str]) -> str | None:
        """The longest key of the table whose parts this opcode has all."""
        parts = {self.name, self.kind, *self.modifiers}
        return max(
            (key for key in table if parts.issuperset(key.split("."))), key=len, default=None
        )


class Operation(NamedTuple):
    """A function of arrays, with the types of its results and of its operands."""

    compute: Compute
    results: tuple[str, ...]
    sources: tuple[str, ...]


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """The rounded sum, and the error of it."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """The rounded product, and the error of it, from halves of 26 bits (Dekker)."""
    product, a_scaled, b_scaled = a * b, a * 134217729.0, b * 134217729.0
    a_high, b_high = a_scaled - (a_scaled - a), b_scaled - (b_scaled - b)
    a_low, b_low = a - a_high, b - b_high
    return product, a_low * b_low - (product - a_high * b_high - a_low * b_high - a_high * b_low)


def fused64(a: Array, b: Array, c: Array) -> Array:
    """a * b + c in float64, rounded once (Boldo and Melquiond: the last sum rounds to odd)."""
    product, product_error = two_product(a, b)
    tail, tail_error = two_sum(c, product_error)
    total, total_error = two_sum(product, tail)
    odd, error = two_sum(tail_error, total_error)
    even = (error != 0) & (odd.view(np.int64) & 1 == 0)
    if even.any():
        odd = np.where(even, np.nextafter(odd, np.copysign(np.inf, error)), odd)
    result = total + odd
    plain = ~np.isfinite(result)  # infinite, not a number, or too large to be split
    return np.where(plain, a * b + c, result) if plain.any() else result


def toward(nearest: Array, error: Array, mode: str) -> Array:
    """What is rounded to nearest, and the error of that, rounded as `mode` says."""
    if mode == "rz":
        back, limit = np.where(np.signbit(nearest), error > 0, error < 0), 0.0
    else:
        back, limit = (error > 0, np.inf) if mode == "rp" else (error < 0, -np.inf)
    return np.where(back, np.nextafter(nearest, nearest.dtype.type(limit)), nearest)


def narrow(value: Array, error: Array, mode: str) -> Array:
    """A float64 plus a far smaller error as a float32, rounded once."""
    near = value.astype(np.float32)
    if mode != "rn":
        missing = value - near.astype(np.float64)
        return toward(near, np.where(missing != 0, missing, error), mode)
    tie = (value.view(np.int64) & 0x1FFFFFFF == 0x10000000) & (error != 0)
    if tie.any():  # the error, which float64 has no room for, says to which side
        near[tie] = np.nextafter(value, np.copysign(np.inf, error)).astype(np.float32)[tie]
    return near


def in_wider(exact: Compute, mode: str) -> Compute:
    """`exact`, a function with its error, of float32 made float64, and rounded as `mode` says."""
    return lambda *x: narrow(*exact(*(a.astype(np.float64) for a in x)), mode)


def in_float64(function: Compute) -> Compute:
    """`function` computed in float64, and rounded to the type of its operand."""
    return lambda a: function(a.astype(np.float64)).astype(a.dtype)


def upper_half(a: Array) -> Array:
    """What approximations in float64 give."""
    return (a.view(np.uint64) & np.uint64(0xFFFFFFFF << 32)).view(np.float64)


def flushed(a: Array) -> Array:
    """Floats with what is subnormal made zero."""
    if a.dtype.kind != "f":
        return a
    return np.where(np.abs(a) < np.finfo(a.dtype).tiny, np.copysign(a.dtype.type(0), a), a)


# With their errors, of float32 made float64.
EXACT: dict[str, Compute] = {"add.f32": two_sum, "sub.f32": lambda a, b: two_sum(a, -b)}
EXACT |= {"mul.f32": two_product, "fma.f32": lambda a, b, c: two_sum(a * b, c)}
FLOATS: dict[str, Compute] = {"add": np.add, "sub": np.subtract, "mul": np.multiply}
FLOATS |= {"div": np.true_divide, "neg": np.negative, "abs": np.absolute, "sqrt": np.sqrt}
FLOATS |= {"rcp": np.reciprocal, "rsqrt": in_float64(lambda a: 1 / np.sqrt(a))}
FLOATS |= {"ex2": in_float64(np.exp2), "lg2": in_float64(np.log2), "sin": in_float64(np.sin)}
FLOATS |= {"cos": in_float64(np.cos), "tanh": in_float64(np.tanh), "min": np.fmin, "max": np.fmax}
FLOATS |= {"copysign": lambda a, b: np.copysign(b, a), "min.NaN": np.minimum}
FLOATS |= {"max.NaN": np.maximum, "rcp.approx.f64": lambda a: upper_half(1 / a)}
FLOATS |= {"fma.f64": fused64, "rsqrt.approx.f64": lambda a: upper_half(1 / np.sqrt(a))}
FLOATS |= {"fma": lambda a, b, c: in_wider(EXACT["fma.f32"], "rn")(a, b, c).astype(a.dtype)}


def finished(code: Code, compute: Compute, results: list[str], sources: list[str]) -> Operation:
    """The operation, with what .sat and .ftz add to it."""
    exact = plain = compute
    if "sat" in code.modifiers:
        if TYPES[results[0]].kind != "f":
            raise Unsupported("saturated integers")
        exact = compute = lambda *x: np.fmin(np.fmax(plain(*x), 0), 1)
    if "ftz" in code.modifiers:
        compute = lambda *x: flushed(exact(*(flushed(a) for a in x)))  # noqa: E731
    return Operation(compute, (*results,), (*sources,))


def simple(code: Code) -> Operation:
    """Operands and results of one type."""
    table = FLOATS if TYPES[code.kind].kind == "f" else INTEGERS
    compute = table[code.best(table) or ""]
    count = getattr(compute, "nin", None) or compute.__code__.co_argcount
    if mode := code.one_of(DIRECTED):
        compute = in_wider(EXACT[f"{code.name}.{code.kind}"], mode)
    return finished(code, compute, [code.kind], [code.kind] * count)


def high(a: Array, b: Array) -> Array:
    """The high half of the product of integers."""
    bits = 8 * a.dtype.itemsize
    if bits < 64:
        return (a.astype(f"{a.dtype.kind}{bits // 4}") * b >> bits).astype(a.dtype)
    if a.dtype.kind == "i":
        unsigned = high(a.view(np.uint64), b.view(np.uint64)).view(np.int64)
        return unsigned - np.where(a < 0, b, 0) - np.where(b < 0, a, 0)
    low = np.uint64(0xFFFFFFFF)
    middle = (a >> 32) * (b & low) + ((a & low) * (b & low) >> 32)
    other = (a & low) * (b >> 32) + (middle & low)
    return (a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32)


def product(code: Code) -> tuple[Compute, str]:
    """The part of a product of integers that an opcode names, and the type of it."""
    if "wide" in code.modifiers:
        wide = f"{code.kind[0]}{2 * int(code.kind[1:])}"
        return (lambda a, b: a.astype(TYPES[wide]) * b), wide
    return (high if "hi" in code.modifiers else np.multiply), code.kind


def multiplied(code: Code) -> Operation:
    """mul and mad."""
    if TYPES[code.kind].kind == "f":
        code.name = code.name.replace("mad", "fma")
        return simple(code)
    times, kind = product(code)
    if code.name == "mul":
        return finished(code, times, [kind], [code.kind] * 2)
    return finished(code, lambda a, b, c: times(a, b) + c, [kind], [code.kind, code.kind, kind])


def carried(code: Code) -> Operation:
    """add, sub and mad that set the carry flag (.cc), or add it (addc, subc, madc)."""
    reads, writes = code.name.endswith("c"), "cc" in code.modifiers
    kind, name = f"u{code.kind[1:]}", code.name[:3]
    times = product(code)[0]

    def compute(*x: Array) -> Any:
        first, second = (times(*x[:2]), x[2]) if name == "mad" else x[:2]
        carry = x[-1].astype(first.dtype) if reads else first.dtype.type(0)
        total = first - second if name == "sub" else first + second
        result = total - carry if name == "sub" else total + carry
        if not writes:
            return result
        if name == "sub":
            return result, (first < second) | (total < carry)
        return result, (total < first) | (result < total)

    sources = [kind] * (3 if name == "mad" else 2) + ["carry"] * reads
    return finished(code, compute, [kind] + ["carry"] * writes, sources)


def clz(a: Array) -> Array:
    """How many bits before the highest that is set, or that differs from a sign."""
    bits = 8 * a.dtype.itemsize
    zeros, a = np.full(a.shape, bits, np.uint32), np.where(a < 0, ~a, a)
    while bits := bits // 2:
        upper = a >> bits
        zeros -= np.where(upper != 0, np.uint32(bits), np.uint32(0))
        a = np.where(upper != 0, upper, a)
    return zeros - (a != 0)


def reversed_bits(a: Array) -> Array:
    octets = np.ascontiguousarray(a).view(np.uint8).reshape(a.size, -1)
    bits = np.unpackbits(octets, axis=1, bitorder="little")[:, ::-1]
    return np.packbits(bits, axis=1, bitorder="little").view(a.dtype).ravel()


def ones(count: Array, like: Array) -> Array:
    """Masks of so many low bits; NumPy shifts to zero where the count is the width or more."""
    return (like.dtype.type(1) << count.astype(like.dtype)) - like.dtype.type(1)


def extracted(a: Array, position: Array, length: Array) -> Array:
    """Bits of `a`, extended by their sign if `a` has one."""
    position, length = (position & 255).astype(np.int64), (length & 255).astype(np.int64)
    if a.dtype.kind == "u":
        return (a >> position.astype(a.dtype)) & ones(length, a)
    top = 8 * a.dtype.itemsize - 1
    left = top - np.minimum(position + length - 1, top)
    field = (a << left.astype(a.dtype)) >> (left + position).astype(a.dtype)
    return np.where(length == 0, a.dtype.type(0), field)


def inserted(a: Array, b: Array, position: Array, length: Array) -> Array:
    """`b` with its bits from a position on replaced by the low bits of `a`."""
    place = (position & 255).astype(a.dtype)
    mask = ones(length & 255, a) << place
    return (b & ~mask) | ((a << place) & mask)


def joined(low: Array, top: Array) -> Array:
    """Two registers as one."""
    return (top.astype(np.uint64) << 32) | low


def permuted(a: Array, b: Array, selector: Array) -> Array:
    """prmt: bytes of two registers, or their signs."""
    octets = joined(a, b).view(np.uint8).reshape(a.size, 8)
    nibbles = (selector[:, None] >> np.arange(0, 16, 4, dtype=np.uint32)) & 15
    chosen = np.take_along_axis(octets, (nibbles & 7).astype(np.int64), axis=1)
    chosen = np.where(nibbles & 8, np.where(chosen & 128, 255, 0), chosen)
    return chosen.astype(np.uint8).view(np.uint32).ravel()


def compared(code: Code) -> Operation:
    """setp, with a predicate or with its opposite too (.pair), and set."""
    compare = COMPARE[code.one_of(COMPARE) or ""]
    if TYPES[code.kind].kind != "f" and "ne" in code.modifiers:
        compare = np.not_equal
    join = LOGICAL.get(code.one_of(LOGICAL) or "")
    test = (lambda a, b, c: join(compare(a, b), c)) if join else compare
    sources = [code.kind] * 2 + ["pred"] * bool(join)
    if code.name == "set":
        into = TYPES[code.types[0]]
        yes = np.ones(1, into) if into.kind == "f" else ~np.zeros(1, into)
        return finished(code, lambda *x: np.where(test(*x), yes, 0), [code.types[0]], sources)
    if "pair" not in code.modifiers:
        return finished(code, test, ["pred"], sources)
    other = (lambda a, b, c: join(~compare(a, b), c)) if join else lambda *x: ~compare(*x)
    return Operation(lambda *x: (test(*x), other(*x)), ("pred", "pred"), (*sources,))


def to_integer(code: Code) -> Compute:
    """Floats to integers: what does not fit becomes the nearest that does."""
    into, wide = TYPES[code.types[0]], code.types[0][1:] == "64" or code.kind == "f64"
    limits = np.iinfo(into)
    rounding = ROUND[code.one_of(ROUND) or "rzi"]
    nothing = np.array(wide << (8 * into.itemsize - 1), f"u{into.itemsize}").view(into)

    def compute(a: Array) -> Array:
        value = rounding(a.astype(np.float64))
        over, under = value >= float(limits.max) + (into.itemsize < 8), value < float(limits.min)
        result = np.where(over | under, 0, value).astype(into)
        result = np.where(over, limits.max, np.where(under, limits.min, result))
        return np.where(np.isnan(value), nothing, result)

    return compute


def to_bf16(a: Array) -> Array:
    bits = a.view(np.uint32)
    near = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.where(np.isnan(a), 0x7FFF, near).astype(np.uint16)


def to_float(code: Code) -> Compute:
    """Integers and floats to floats."""
    into, integral, mode = TYPES[code.types[0]], code.one_of(ROUND), code.one_of(DIRECTED)
    if mode and (code.types[0] != "f32" or code.kind in ("s64", "u64")):
        raise Unsupported(mode)
    if mode:
        return lambda a: narrow(a.astype(np.float64), np.zeros(a.shape), mode)
    return (lambda a: ROUND[integral](a).astype(into)) if integral else (lambda a: a.astype(into))


def converted(code: Code) -> Operation:
    """cvt."""
    into, kind = TYPES[code.types[0]], TYPES[code.kind]
    compute: Compute = lambda a: a.astype(into)  # noqa: E731
    if code.types == ["f32", "bf16"]:
        compute = lambda a: (a.astype(np.uint32) << 16).view(np.float32)  # noqa: E731
    elif "bf16" in code.types:
        compute = {"f32": to_bf16}[code.kind]
    elif into.kind == "f":
        compute = to_float(code)
    elif kind.kind == "f":
        compute = to_integer(code)
    elif "sat" in code.modifiers:
        low = max(np.iinfo(into).min, np.iinfo(kind).min)
        top = min(np.iinfo(into).max, np.iinfo(kind).max)
        compute = lambda a: np.clip(a, low, top).astype(into)  # noqa: E731
    if into.kind != "f":
        code.modifiers -= {"sat"}  # which is done
    return finished(code, compute, [code.types[0]], [code.kind])


INTEGERS: dict[str, Compute] = {**LOGICAL, "add": np.add, "sub": np.subtract, "rem": np.fmod}
INTEGERS |= {"neg": np.negative, "abs": np.absolute, "min": np.minimum, "max": np.maximum}
INTEGERS |= {"not": np.invert, "brev": reversed_bits, "cnot": lambda a: a == 0, "prmt": permuted}
INTEGERS |= {"div": lambda a, b: (a - np.fmod(a, b)) // b}
# Functions with the types of the result and of the operands: "" is the last type of the opcode.
# NumPy, as PTX, shifts everything out where the count is the width or more.
MIXED: dict[str, tuple[Any, ...]] = {
    "popc": (np.bitwise_count, "u32", ""),
    "clz": (clz, "u32", ""),
    "bfind": (lambda a: np.uint32(8 * a.dtype.itemsize - 1) - clz(a), "u32", ""),
    "bfind.shiftamt": (lambda a: np.where((a == 0) | (a == -1), -1, clz(a)), "u32", ""),
    "bfe": (extracted, "", "", "u32", "u32"),
    "bfi": (inserted, "", "", "", "u32", "u32"),
    "shl": (lambda a, n: a << np.minimum(n, 64).astype(a.dtype), "", "", "u32"),
    "shr": (lambda a, n: a >> np.minimum(n, 64).astype(a.dtype), "", "", "u32"),
    "shf.l.wrap": (lambda a, b, n: joined(a, b) << (n & 31) >> 32, "", "", "", "u32"),
    "shf.r.wrap": (lambda a, b, n: joined(a, b) >> (n & 31), "", "", "", "u32"),
    "shf.l.clamp": (lambda a, b, n: joined(a, b) << np.minimum(n, 32) >> 32, "", "", "", "u32"),
    "shf.r.clamp": (lambda a, b, n: joined(a, b) >> np.minimum(n, 32), "", "", "", "u32"),
    "selp": (lambda a, b, chosen: np.where(chosen, a, b), "", "", "", "pred"),
    "slct": (lambda a, b, c: np.where(c >= 0, a, b), "first", "first", "first", ""),
}
MIXED |= {f"testp.{name}": (test, "pred", "") for name, test in TESTS.items()}


HANDLERS: dict[str, Callable[[Code], Operation]] = {"mul": multiplied, "mad": multiplied}
HANDLERS |= {"set": compared, "setp": compared, "cvt": converted}


def decode(opcode: str, pair: bool = False) -> Operation:
    """What an instruction does; `pair` where it has two results."""
    code = Code(opcode)
    if not code.types or code.modifiers - MODIFIERS:
        raise Unsupported(opcode)
    code.modifiers |= {"pair"} if pair else set()
    if key := code.best(MIXED):
        function, *kinds = MIXED[key]
        kinds = [{"": code.kind, "first": code.types[0]}.get(kind, kind) for kind in kinds]
        return Operation(function, (kinds[0],), (*kinds[1:],))
    if "cc" in code.modifiers or code.name in ("addc", "subc", "madc"):
        return carried(code)
    return HANDLERS.get(code.name, simple)(code)
