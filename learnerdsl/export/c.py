"""Export a rule as a file in C99 with OpenMP, which is its own header."""

from learnerdsl.export.c_loops import CHUNK, PARTS, CLoops
from learnerdsl.export.c_parts import helper_sources
from learnerdsl.export.c_printer import is_reserved, spelled
from learnerdsl.export.loops import Loops, Pair, as_number, pairs_of
from learnerdsl.export.request import Request

_ABOUT = """\
A header: include it where the functions are called. One file of a program defines
{guard}_IMPLEMENTATION first and so gets their code. Compile that with

    cc -std=c99 -O3 -march=native -fopenmp -ffp-contract=off -fno-math-errno

Square roots would set errno otherwise, and loops with them would not run in vectors. Do not
use -ffast-math: it changes results. The functions update flat arrays in place, which must not
overlap. States start with zeros{start}.
The results of exp, log, tanh and others are those of the C library."""

_LENGTH = """\
/* The length of the chunks of a tensor, of which there are at most {guard}_PARTS. */
static int64_t {prefix}_length(const int64_t count)
{{
    const int64_t least = (count + {guard}_PARTS - 1) / {guard}_PARTS;
    return (least / {guard}_CHUNK + 1) * {guard}_CHUNK;
}}"""


def c(request: Request) -> str:
    """Return a rule as the text of a file in C99, with OpenMP.

    Args:
        request: what to export.

    Raises:
        LearnerError: no loops over elements compute the rule.
    """
    pairs = pairs_of(request, "C")
    parts = [_Part(pair) for pair in pairs]
    guard = spelled(request.name).upper()
    starts = [f"{part.prefix}_start" for part in parts if part.pair.start]
    start = f" if {' or '.join(starts)} does not set them" if starts else ""
    about = _ABOUT.format(guard=guard, start=start).splitlines()
    notes = [note for pair in pairs for note in pair.notes]
    head = [_safe(line) for line in (*request.header, "", *about, *notes)]
    lines = [
        *("/*", *(f" * {line}".rstrip() for line in head), " */", ""),
        *(f"#ifndef {guard}_H", f"#define {guard}_H", "", "#include <stdint.h>", ""),
        *("#ifdef __cplusplus", 'extern "C" {', "#endif", ""),
        *(line for part in parts for line in part.declarations()),
        *("#ifdef __cplusplus", "}", "#endif", "", f"#endif /* {guard}_H */", ""),
        *(f"#ifdef {guard}_IMPLEMENTATION", "", "#include <math.h>", ""),
        *(line for part in parts for line in part.definitions()),
        f"#endif /* {guard}_IMPLEMENTATION */",
    ]
    return "\n".join(lines) + "\n"


class _Part:
    """The functions of a variant of a rule."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.prefix = spelled(pair.name)
        self.fields: dict[str, str] = {}
        for symbol in pair.update.rule.hyperparameters:
            name = spelled(symbol.name)
            while is_reserved(name) or name in self.fields.values():
                name += "_"
            self.fields[symbol.name] = name
        programs = [(pair.update, "update")]
        programs += [(pair.start, "start")] if pair.start is not None else []
        self.loops = [
            CLoops(Loops(program, kind, pair.of_model), self.prefix, self.fields)
            for program, kind in programs
        ]

    def declarations(self) -> list[str]:
        """Return the structure of hyperparameters, and the functions that a user calls."""
        lines: list[str] = []
        if self.fields:
            inner = [f"    double {name};" for name in self.fields.values()]
            lines += ["typedef struct {", *inner, f"}} {self.prefix}_hyperparameters;", ""]
            lines += ["/* The defaults of the rule; NAN where it has none. */"]
            lines += [f"{self.prefix}_hyperparameters {self.prefix}_defaults(void);", ""]
        return lines + [line for own in self.loops for line in (*own.declaration(), "")]

    def definitions(self) -> list[str]:
        """Return the functions of the implementation."""
        functions = [lines for own in self.loops for lines in own.definitions()]
        helpers = dict.fromkeys(name for own in self.loops for name in own.text.helpers)
        blocks = helper_sources(self.prefix, list(helpers))
        guard = self.prefix.upper()
        values = {"guard": guard, "prefix": self.prefix}
        limits = [f"enum {{ {guard}_CHUNK = {CHUNK} }};"]
        if any(own.layout.reduces for own in (loops.loops for loops in self.loops)):
            limits = [f"enum {{ {guard}_CHUNK = {CHUNK}, {guard}_PARTS = {PARTS} }};"]
            blocks.append(_LENGTH.format(**values))
        if self.fields:
            blocks.append(self._defaults())
        blocks = [*limits, *blocks, *("\n".join(lines) for lines in functions)]
        return [line for block in blocks for line in (block, "")]

    def _defaults(self) -> str:
        """Return the function of the default hyperparameters."""
        rule, kind = self.pair.update.rule, f"{self.prefix}_hyperparameters"
        pairs = zip(rule.hyperparameters, rule.defaults, strict=True)
        lines = [f"    hyper.{self.fields[s.name]} = {_text(as_number(d))};" for s, d in pairs]
        head = [f"{kind} {self.prefix}_defaults(void)", "{", f"    {kind} hyper;"]
        return "\n".join([*head, *lines, "    return hyper;", "}"])


def _text(default: float | None) -> str:
    """Return a default value in C."""
    if default is None or default != default:
        return "NAN"
    if abs(default) == float("inf"):
        return "INFINITY" if default > 0 else "-INFINITY"
    return repr(default)


def _safe(line: str) -> str:
    """Return a line of a comment without what ends or begins one, or a trigraph."""
    return line.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
