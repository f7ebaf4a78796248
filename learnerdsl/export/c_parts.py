"""The functions that a file in C needs besides its loops."""

import re

_REAL = {
    "maximum": """
/* The larger number; NaN if one is NaN. */
static inline REAL NAME(const REAL a, const REAL b)
{
    return a != a ? a : (a > b ? a : b);
}
""",
    "minimum": """
/* The smaller number; NaN if one is NaN. */
static inline REAL NAME(const REAL a, const REAL b)
{
    return a != a ? a : (a < b ? a : b);
}
""",
    "sign": """
/* -1, 0 or 1; NaN for NaN. */
static inline REAL NAME(const REAL x)
{
    return x > 0 ? (REAL)1 : (x < 0 ? (REAL)-1 : fabsSUFFIX(x));
}
""",
    "mod": """
/* The remainder with the sign of the divisor. */
static inline REAL NAME(const REAL a, const REAL b)
{
    const REAL rest = fmodSUFFIX(a, b);
    if (rest == 0)
        return copysignSUFFIX(rest, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}
""",
}
"""Name of a function -> its source, for both real types."""

_RANDOM = {
    "key": """
/* What random numbers depend on, besides the number of the element. */
typedef struct { uint32_t seed[2], step, number; } PREFIX_key;
static PREFIX_key PREFIX_key_of(const uint64_t seed, const double step, const uint64_t number)
{
    PREFIX_key key;
    key.seed[0] = (uint32_t)seed;
    key.seed[1] = (uint32_t)(seed >> 32);
    key.step = (uint32_t)(uint64_t)step;
    key.number = (uint32_t)number;
    return key;
}
""",
    "philox": """
/* Four random words for an element: Philox4x32-10 (Salmon et al., 2011). */
static inline void PREFIX_philox(
    const PREFIX_key key, const int64_t element, const uint32_t stream, uint32_t c[4])
{
    uint32_t k0 = key.seed[0], k1 = key.seed[1];
    c[0] = (uint32_t)(uint64_t)element;
    c[1] = (uint32_t)((uint64_t)element >> 32) | (stream << 16);
    c[2] = key.step;
    c[3] = key.number;
    for (int turn = 0; turn < 10; turn++) {
        const uint64_t product0 = (uint64_t)c[0] * 0xD2511F53u;
        const uint64_t product1 = (uint64_t)c[2] * 0xCD9E8D57u;
        c[0] = (uint32_t)(product1 >> 32) ^ c[1] ^ k0;
        c[2] = (uint32_t)(product0 >> 32) ^ c[3] ^ k1;
        c[1] = (uint32_t)product1;
        c[3] = (uint32_t)product0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}
""",
    "fraction": """
/* A number in [0, 1) from 53 bits of two words. */
static inline double PREFIX_fraction(const uint32_t high, const uint32_t low)
{
    return (double)(((uint64_t)high << 21) ^ ((uint64_t)low >> 11)) * 0x1p-53;
}
""",
    "uniform_float32": """
/* A uniform random number in [0, 1), of 24 bits, so that it never rounds to 1. */
static inline float PREFIX_uniform_float32(
    const PREFIX_key key, const int64_t element, const uint32_t stream)
{
    uint32_t words[4];
    PREFIX_philox(key, element, stream, words);
    return (float)(words[0] >> 8) * 0x1p-24f;
}
""",
    "uniform_float64": """
/* A uniform random number in [0, 1). */
static inline double PREFIX_uniform_float64(
    const PREFIX_key key, const int64_t element, const uint32_t stream)
{
    uint32_t words[4];
    PREFIX_philox(key, element, stream, words);
    return PREFIX_fraction(words[0], words[1]);
}
""",
    "normal_float64": """
/* A standard normal random number, by the Box-Muller transform. */
static inline double PREFIX_normal_float64(
    const PREFIX_key key, const int64_t element, const uint32_t stream)
{
    uint32_t words[4];
    PREFIX_philox(key, element, stream, words);
    const double radius = sqrt(-2.0 * log(1.0 - PREFIX_fraction(words[0], words[1])));
    return radius * cos(2.0 * 3.141592653589793 * PREFIX_fraction(words[2], words[3]));
}
""",
    "normal_float32": """
/* A standard normal random number, rounded from double. */
static inline float PREFIX_normal_float32(
    const PREFIX_key key, const int64_t element, const uint32_t stream)
{
    return (float)PREFIX_normal_float64(key, element, stream);
}
""",
}
"""Name of a function -> its source, each after those that it calls."""


def helper_sources(prefix: str, names: list[str]) -> list[str]:
    """Return the sources of helpers, and of those that they call.

    Args:
        prefix: what their names begin with.
        names: their names without it; "f" at the end of one means float.
    """
    found = [_real(prefix, name) for name in sorted(names) if name not in _RANDOM]
    random = {name for name in names if name in _RANDOM}
    for name in reversed(_RANDOM):
        if name in random:
            random |= {other for other in _RANDOM if f"PREFIX_{other}" in _RANDOM[name]}
    found += [source for name, source in _RANDOM.items() if name in random]
    return [source.strip().replace("PREFIX", prefix) for source in found]


def _real(prefix: str, name: str) -> str:
    """Return the source of a helper for one real type."""
    power = re.fullmatch(r"power_(\d+)(f?)", name)
    if power:
        return _power(f"{prefix}_{name}", int(power[1]), "float" if power[2] else "double")
    is_float = name not in _REAL
    source = _REAL[name[:-1] if is_float else name].replace("NAME", f"{prefix}_{name}")
    return source.replace("SUFFIX", "f" * is_float).replace(
        "REAL", "float" if is_float else "double"
    )


def _power(name: str, exponent: int, real: str) -> str:
    """Return the source of a power, by squares."""
    lines, product, square = [], "", "x"
    if exponent == 2:
        exponent, product = 0, "x * x"
    while exponent:
        if exponent & 1:
            product = f"{product} * {square}" if product else square
        exponent >>= 1
        if exponent:
            number = 2 * int(square[1:] or 1)
            lines.append(f"    const {real} x{number} = {square} * {square};")
            square = f"x{number}"
    return "\n".join(
        [f"static inline {real} {name}(const {real} x)", "{", *lines, f"    return {product};", "}"]
    )
