"""The functions that a file for Numba needs besides its loops, and where the others come from."""

from collections.abc import Sequence

from learnerdsl.codegen.source import free_names
from learnerdsl.elementary import FUNCTIONS
from learnerdsl.export.loops import listed

WIDTH = 88
"""Longest line of a file."""

_INLINE = '@njit(error_model="numpy")'

HELPERS = {
    "accumulate": '''
@njit(error_model="numpy", fastmath={"reassoc"})
def accumulate(total, value):
    """Return the sum; only additions made here may be reordered, so that loops become vectors."""
    return total + value
''',
    "accumulate_square": '''
@njit(error_model="numpy", fastmath={"reassoc", "contract"})
def accumulate_square(total, value):
    """Return the sum of the total and a square, which is exact for what was float32."""
    return total + value * value
''',
    "accumulate_times": '''
@njit(error_model="numpy", fastmath={"reassoc", "contract"})
def accumulate_times(total, a, b):
    """Return the sum of the total and a product, which is exact for what was float32."""
    return total + a * b
''',
    "accumulate_product": '''
@njit(error_model="numpy", fastmath={"reassoc"})
def accumulate_product(total, value):
    """Return the product; only those made here may be reordered, so that loops become vectors."""
    return total * value
''',
    "larger": f'''
{_INLINE}
def larger(total, value):
    """Return the larger number; callers look for NaN themselves."""
    return value if value > total else total
''',
    "smaller": f'''
{_INLINE}
def smaller(total, value):
    """Return the smaller number; callers look for NaN themselves."""
    return value if value < total else total
''',
    "maximum": f'''
{_INLINE}
def maximum(a, b):
    """Return the larger number; NaN if one is NaN."""
    return a if (a > b) | (a != a) else b
''',
    "minimum": f'''
{_INLINE}
def minimum(a, b):
    """Return the smaller number; NaN if one is NaN."""
    return a if (a < b) | (a != a) else b
''',
    "key_of": f'''
{_INLINE}
def key_of(seed, step, tensor):
    """Return the key of a tensor's random numbers: seed (two words), step, number of the tensor."""
    seed, step, tensor = uint64(seed), uint64(step), uint64(tensor)
    word = uint64(0xFFFFFFFF)
    return seed & word, seed >> uint64(32), step & word, tensor & word
''',
    "philox": f'''
{_INLINE}
def philox(key, position, stream):
    """Return four random 32-bit words for an element: Philox4x32-10 (Salmon et al., 2011)."""
    word, half = uint64(0xFFFFFFFF), uint64(32)
    k0, k1, c2, c3 = key
    c0 = uint64(position) & word
    c1 = (uint64(position) >> half) | (uint64(stream) << uint64(16))
    for _ in range(10):
        product0, product1 = c0 * uint64(0xD2511F53), c2 * uint64(0xCD9E8D57)
        c0, c2 = (product1 >> half) ^ c1 ^ k0, (product0 >> half) ^ c3 ^ k1
        c1, c3 = product1 & word, product0 & word
        k0, k1 = (k0 + uint64(0x9E3779B9)) & word, (k1 + uint64(0xBB67AE85)) & word
    return c0, c1, c2, c3
''',
    "fraction": f'''
{_INLINE}
def fraction(high, low):
    """Return a number in [0, 1) from 53 bits of two words."""
    return float64((high << uint64(21)) ^ (low >> uint64(11))) * 2.0**-53
''',
    "uniform_float64": f'''
{_INLINE}
def uniform_float64(key, position, stream):
    """Return a uniform random number in [0, 1)."""
    words = philox(key, position, stream)
    return fraction(words[0], words[1])
''',
    "uniform_float32": f'''
{_INLINE}
def uniform_float32(key, position, stream):
    """Return a uniform random number in [0, 1), of 24 bits, so that it never rounds to 1."""
    return float32(philox(key, position, stream)[0] >> uint64(8)) * float32(2.0**-24)
''',
    "normal_float64": f'''
{_INLINE}
def normal_float64(key, position, stream):
    """Return a standard normal random number, by the Box-Muller transform."""
    words = philox(key, position, stream)
    radius = sqrt(-2.0 * log(1.0 - fraction(words[0], words[1])))
    return radius * cos(2.0 * pi * fraction(words[2], words[3]))
''',
    "normal_float32": f'''
{_INLINE}
def normal_float32(key, position, stream):
    """Return a standard normal random number, rounded from float64."""
    return float32(normal_float64(key, position, stream))
''',
}
"""Name of a function -> its source, each after those that it calls."""

_OF_NUMPY = ("float32", "float64", "inf", "int64", "nan", "uint64")


def _origin(path: str, name: str) -> str:
    """Return the library of an elementary function: those of the kernels are Python's instead."""
    module = path.rpartition(".")[0]
    return module if module in ("math", "numpy", "builtins") or name in HELPERS else "math"


ORIGINS = {
    **{row.name: _origin(row.cpu, row.name) for row in FUNCTIONS if row.cpu},
    **dict.fromkeys(_OF_NUMPY, "numpy"),
    "sign": "numpy",
    "pi": "math",
}
"""Name of a function or a number -> the module to import it from."""

TAKEN = frozenset((*HELPERS, *ORIGINS, "CHUNK", "chunk", "chunks", "len", "njit"))
"""Names that code for Numba uses, besides those of every kernel."""

TAKEN |= {"array", "prange", "stop", "sum"}


def needed_helpers(code: str) -> list[str]:
    """Return the sources of the helpers that some code calls, and of those that they call."""
    needed: set[str] = set()
    for name, source in reversed(HELPERS.items()):
        if name in free_names(code):
            needed.add(name)
            code += source
    return [source.strip() for name, source in HELPERS.items() if name in needed]


def imports_of(code: str) -> list[str]:
    """Return the import statements of some code, for what it does not define."""
    free = free_names(code)

    def of(module: str) -> list[str]:
        names = sorted(name for name, origin in ORIGINS.items() if origin == module)
        own = [name for name in names if name in free and name not in HELPERS]
        return [f"from {module} import {', '.join(own)}"] if own else []

    numba = ", ".join(name for name in ("njit", "prange") if name in free)
    of_python = of("math")
    numpy = ["import numpy as np"] if "np" in free else []
    return [
        *of_python,
        *([""] if of_python else []),
        *numpy,
        f"from numba import {numba}",
        *of("numpy"),
    ]


def called(before: str, items: Sequence[str], after: str) -> list[str]:
    """Return a call or the head of a function, over several lines if it is long."""
    return listed(before, items, after, WIDTH, comma=",")


def returned(values: Sequence[str]) -> list[str]:
    """Return a statement that returns some values."""
    whole = f"return {', '.join(values)}"
    return [whole] if len(whole) <= WIDTH else called("return (", values, ")")
