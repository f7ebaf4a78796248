"""Printing of expressions and names in C99."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy

from learnerdsl.codegen.naming import Names
from learnerdsl.codegen.printer import ATOM, PRODUCT, Printer
from learnerdsl.codegen.text import Text
from learnerdsl.ir import Compute, Kernel
from learnerdsl.layout import Layout
from learnerdsl.storage import Precision

_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int
long register restrict return short signed sizeof static struct switch typedef union unsigned void
volatile while asm typeof linux unix
alignas alignof atomic_bool bool catch class complex constexpr decltype delete explicit export
false friend imaginary mutable namespace new noexcept noreturn nullptr operator or private protected
public xor bitand bitor compl and_eq or_eq xor_eq not_eq
template this thread_local throw true try typeid typename using virtual wchar_t and not
"""
_MATH = """
acos asin atan atan2 cos sin tan acosh asinh atanh cosh sinh tanh exp exp2 expm1 frexp ilogb ldexp
log log10 log1p log2 logb modf scalbn scalbln cbrt fabs hypot pow sqrt erf erfc lgamma tgamma ceil
floor nearbyint rint lrint llrint lround llround round trunc fmod remainder remquo copysign nan
nextafter nexttoward fdim fmax fmin fma gamma drem significand scalb pow10 exp10
"""
_OTHERS = """
fpclassify isfinite isinf isnan isnormal signbit isgreater isgreaterequal isless islessequal
islessgreater isunordered signgam j0 j1 jn y0 y1 yn float_t double_t size_t ptrdiff_t main abs labs
div exit free malloc calloc realloc abort atexit getenv system random rand srand index rindex
"""
_LOCAL = "chunk chunks count hyper i k key length number scratch sizes start stop sums tensors"

TAKEN = frozenset(
    [
        *f"{_KEYWORDS} {_MATH} {_OTHERS} {_LOCAL}".split(),
        *(f"{name}{suffix}" for name in _MATH.split() for suffix in "fl"),
    ]
)
"""Names with a meaning in C, in C++, in `math.h`, or in every exported file."""


def spelled(name: str) -> str:
    """Return a name in the letters of C: a Greek letter by its name, for example."""
    return "".join(c if c.isascii() else _letter(c) for c in name)


def _letter(character: str) -> str:
    """Return the last word of a character's name, "beta" for one, "BETA" for a capital."""
    words = unicodedata.name(character, f"U{ord(character):X}").split()
    at = words.index("LETTER") + 1 if "LETTER" in words[:-1] else len(words) - 1
    word = re.sub(r"\W", "", "_".join(words[at:]))
    return word if "CAPITAL" in words else word.lower()


class CNames(Names):
    """The names of a kernel's symbols in C.

    Args:
        kernel: the kernel to print.
        prefix: what names of functions begin with.
    """

    def __init__(self, kernel: Kernel, prefix: str) -> None:
        self.prefix = prefix
        super().__init__(kernel)

    def is_reserved(self, name: str) -> bool:
        """Return whether a name has a meaning in C, may be a macro, or be that of a function."""
        is_function = name.startswith(f"{self.prefix}_") and not name.endswith("_")
        return is_reserved(name) or is_function

    def free(self, name: str) -> str:
        """Return the name in the letters of C, with underscores until nothing else has it."""
        plain = spelled(name)
        # Names that begin like this belong to compilers.
        return super().free(f"v{plain}" if re.match(r"__|_[A-Z]", plain) else plain)


def is_reserved(name: str) -> bool:
    """Return whether a name has a meaning in C, or looks like a macro."""
    looks_like_macro = name == "I" or (len(name) > 1 and name.isupper())
    return not name.endswith("_") and (name in TAKEN or looks_like_macro or name.endswith("_t"))


class CPrinter(Printer):
    """A printer of expressions in C.

    Args:
        text: the printer of statements.
        dtype: "float64" or "float32".
    """

    words = "&&", "||", "!"
    quotient = "/"

    def __init__(self, text: "CText", dtype: str) -> None:
        super().__init__(text.names.values, text.scalar_names, dtype)
        self.prefix = text.prefix
        self.helpers = text.helpers
        self.suffix = "" if dtype == "float64" else "f"

    def text(self, expr: sympy.Basic) -> tuple[str, int]:
        """Return (text, how tightly it binds)."""
        if isinstance(expr, sympy.Mod):
            return self.called("mod", [self(a) for a in expr.args]), ATOM
        return super().text(expr)

    def number(self, value: float) -> str:
        """Return a constant of the printer's dtype, exactly."""
        if np.isnan(value):
            return "NAN"
        if np.isinf(value):
            return "INFINITY" if value > 0 else "-INFINITY"
        if not self.suffix:
            return repr(value)
        with np.errstate(over="ignore"):
            narrow = np.float32(value)
        if np.isinf(narrow):
            return "INFINITY" if value > 0 else "-INFINITY"
        text = str(narrow)
        return f"{text}{'' if '.' in text or 'e' in text else '.0'}f"

    def as_double(self, text: str) -> str:
        """Return the value of a text, converted to double."""
        return f"(double)({text})"

    def whole(self, expr: Any) -> str:
        """Return a length, converted to a whole number."""
        return f"(int64_t){self.names[expr]}"

    def narrowed(self, text: str) -> str:
        """Return the text of a double, in the printer's dtype."""
        return f"(float){text}" if self.suffix else text

    def square_of(self, text: str) -> str:
        """Return the square of a value in double."""
        return self._helper("power_2", [text], "")

    def called(self, name: str, arguments: Sequence[str]) -> str:
        """Return the call of a function of `math.h` or of one in the file."""
        if name.endswith(("float32", "float64")):
            return self._helper(name, arguments, "")
        if name in ("mod", "maximum", "minimum", "sign"):
            return self._helper(name, arguments, self.suffix)
        own = "fabs" if name == "abs" else name
        return f"{own}{self.suffix}({', '.join(arguments)})"

    def key(self, places: Sequence[sympy.Basic]) -> str:
        """Return the key of random numbers."""
        self.helpers["key"] = None
        return f"{self.prefix}_{super().key(places)}"

    def _helper(self, name: str, arguments: Sequence[str], suffix: str) -> str:
        self.helpers[f"{name}{suffix}"] = None
        return f"{self.prefix}_{name}{suffix}({', '.join(arguments)})"

    def whole_power(self, base: sympy.Expr, exponent: int) -> tuple[str, int]:
        """Return a power with a positive integer, as products."""
        if base.is_Symbol and exponent == 2:
            name = self(base)
            return f"{name} * {name}", PRODUCT
        return self._helper(f"power_{exponent}", [self(base)], self.suffix), ATOM

    def real_power(self, base: sympy.Expr, exponent: sympy.Expr) -> tuple[str, int]:
        """Return a call of `pow`."""
        return self.called("pow", [self(base), self(exponent)]), ATOM

    def choice(self, expr: Any) -> str:
        """Return a conditional expression."""
        condition, then, otherwise = (self(argument) for argument in expr.args)
        return f"({condition} ? {then} : {otherwise})"

    def truth(self, value: bool) -> str:
        """Return 1 or 0, as C99 has `true` only in a header."""
        return str(int(value))


class CText(Text):
    """A printer of statements in C.

    Args:
        kernel: the kernel to print.
        layout: its tables.
        precision: number types of its arrays.
        prefix: what names of functions begin with.
    """

    def __init__(self, kernel: Kernel, layout: Layout, precision: Precision, prefix: str) -> None:
        super().__init__(kernel, layout, precision, names=CNames(kernel, prefix))
        self.prefix = prefix
        self.helpers: dict[str, None] = {}
        self.real = "double" if self.dtype == "float64" else "float"

    def printer(self, dtype: str, start: str = "start") -> CPrinter:
        """Return a printer of expressions that are computed in `dtype`."""
        del start
        return CPrinter(self, dtype)

    def compute(self, compute: Compute, printer: Printer) -> list[str]:
        """Return a statement, after a comment with the line of the rule that it comes from."""
        value, kind = printer(compute.expression), self.real
        if printer.dtype == "float64":
            kind = "double"
            if compute.rounded and self.dtype != "float64":
                value = f"(double)(float)({value})"
        note = [comment(compute.note)] if compute.note and not compute.hoisted else []
        return [*note, f"const {kind} {self.names.values[compute.symbol]} = {value};"]


def comment(note: str) -> str:
    """Return a comment of one line; a backslash at its end would continue it."""
    return f"// {' '.join(note.split())}".rstrip("\\")
