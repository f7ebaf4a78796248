r"""Name symbols in LaTeX: `beta1` is $\beta_1$, `v_hat` is $\hat{v}$, and words are upright."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_BASES = {name: rf"\{name}" for name in _GREEK.split()}
_ALIASES = {
    "lr": r"\eta",
    "eps": r"\epsilon",
    "weight_decay": r"\lambda",
    "lambd": r"\lambda",
    "momentum": r"\mu",
}
"""Name of a hyperparameter -> the letter that papers use for it."""

_ACCENTS = {"hat": r"\hat", "bar": r"\bar", "tilde": r"\tilde"}
_INDICES = {"inf": r"\infty", "plus": "+", "minus": "-", "max": r"\max", "min": r"\min"}
_ENDS_IN_A_NUMBER = re.compile(r"(.*?[^\W\d_])_?(\d+)")


@dataclass(frozen=True)
class Letter:
    """A symbol in LaTeX.

    Attributes:
        base: the letter, with its accent, or an upright word.
        index: its subscript; "" for none.
        is_alias: whether the letter is not the name itself.
    """

    base: str
    index: str = ""
    is_alias: bool = False

    def at(self, time: str) -> str:
        """Return the symbol with a time as its last index; without one if it is empty."""
        indices = ",".join(part for part in (self.index, time) if part)
        return f"{self.base}_{{{indices}}}" if len(indices) > 1 else _short(self.base, indices)

    def __str__(self) -> str:
        return self.at("")


def _short(base: str, index: str) -> str:
    return f"{base}_{index}" if index else base


def letters(names: Iterable[str]) -> dict[str, Letter]:
    """Return name -> letter; different names have different letters."""
    found = {name: letter_of(name) for name in names}
    counts = Counter(str(letter) for letter in found.values())
    for name, letter in found.items():
        if counts[str(letter)] > 1 and letter.is_alias:
            found[name] = Letter(_upright(name))
    counts = Counter(str(letter) for letter in found.values())
    return {n: Letter(_upright(n)) if counts[str(own)] > 1 else own for n, own in found.items()}


def letter_of(name: str) -> Letter:
    """Return the letter of a name, whatever other names there are."""
    if name in _ALIASES:
        return Letter(_ALIASES[name], is_alias=True)
    if name.startswith("one_minus_"):
        own = letter_of(name.removeprefix("one_minus_"))
        return replace(own, base=f"(1 - {own})", index="")
    words = name.split("_")
    if "" in words:
        return Letter(_upright(name))
    first = _lettered(words[0])
    if first is not None:
        return _with_indices(first, words[1:])
    return _of_words(name)


def _lettered(word: str) -> Letter | None:
    """Return the letter of a word that is a letter, Greek or not, or an alias, with a number."""
    text, number = word, ""
    match = _ENDS_IN_A_NUMBER.fullmatch(word)
    if match is not None:
        text, number = match.groups()
    if text in _ALIASES:
        return Letter(_ALIASES[text], number, is_alias=True)
    if len(text) == 1 or text in _BASES:
        return Letter(_BASES.get(text, text), number)
    return None


def _with_indices(letter: Letter, words: list[str]) -> Letter:
    """Return the letter with the rest of a name as accents and indices."""
    if words and words[0] in _ACCENTS:
        accented = replace(letter, base=f"{_ACCENTS[words[0]]}{{{letter.base}}}")
        return _with_indices(accented, words[1:])
    indices = [letter.index] if letter.index else []
    parts = [_index(word) for word in words]
    if len(words) > 1 and all(part.startswith(r"\mathrm") for part in parts):
        parts = [_upright("_".join(words))]
    return replace(letter, index=",".join([*indices, *parts]))


def _index(word: str) -> str:
    if word in _INDICES:
        return _INDICES[word]
    if word.isdigit():
        return word
    own = _lettered(word)
    return _upright(word) if own is None or own.is_alias else str(own)


def _of_words(name: str) -> Letter:
    """Return the letter of a name that begins with a word."""
    for alias, letter in _ALIASES.items():
        if name.endswith(f"_{alias}"):
            return Letter(letter, _upright(name.removesuffix(f"_{alias}")), is_alias=True)
    match = _ENDS_IN_A_NUMBER.fullmatch(name)
    return Letter(_upright(match[1]), match[2]) if match else Letter(_upright(name))


def _upright(name: str) -> str:
    text = name.replace("_", r"\_")
    return rf"\mathrm{{{text}}}"


def step_letter(used: Iterable[Letter]) -> str:
    """Return the letter of the step: t, or another one if a symbol of the rule is called t."""
    taken = {str(letter) for letter in used} | {letter.base for letter in used}
    return next(
        name for name in ("t", "k", "n", "s", r"\tau", r"\mathrm{step}") if name not in taken
    )
