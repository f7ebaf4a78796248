"""Name the extras of a rule in an exported file, and read those of one tensor."""

from typing import Any

from learnerdsl.export.request import Request
from learnerdsl.export.statements import Body
from learnerdsl.expr import AxisExtra, MatrixExtra


class ReadsExtras:
    """The part of a writer of files that knows the extras.

    Attributes:
        request: what to export.
        names: symbol -> its name in the file.
    """

    request: Request
    names: dict[Any, str]

    def _free(self, name: str) -> str:
        raise NotImplementedError

    @property
    def array_extras(self) -> list[str]:
        """Return the names of the extras that have a value for each tensor."""
        every = (e for variant in self.request.variants for e in variant.rule.extras)
        return list(dict.fromkeys(self._free(str(e)) for e in every if e.shape != "model"))

    def extra_reads(self, body: Body, used: set[Any], place: str) -> list[tuple[str, str]]:
        """Return (name, text) of the extras of one tensor, which stand at a place in their array.

        Values over some axes get axes of length 1 for the others, as states of such shapes have.
        """
        pairs: list[tuple[str, str]] = []
        for extra in (e for e in body.rule.extras if e.shape != "model" and e in used):
            text = f"{self._free(str(extra))}[{place}]"
            if isinstance(extra, AxisExtra) and not isinstance(extra, MatrixExtra):
                text += _with_all_axes(extra.shape, body.rule.ndim or 0)
            pairs.append((self.names[extra], self.number_of_tensor(text, extra)))
        return pairs

    def number_of_tensor(self, text: str, extra: Any) -> str:
        """Return the text of an extra, converted if it is a number."""
        del extra
        return text

    @property
    def scalar_extras(self) -> list[str]:
        """Return the names of the extras that are numbers."""
        return [self.names[e] for e in self.request.rule.extras if e.shape == "model"]


def _with_all_axes(axes: tuple[int, ...], ndim: int) -> str:
    """Return the index that gives an array over some of `ndim` axes the others with length 1.

    >>> _with_all_axes((0, 1), 3), _with_all_axes((1,), 3), _with_all_axes((0, 1), 2)
    ('[..., None]', '[None, :, None]', '')
    """
    if len(axes) == ndim:
        return ""
    if axes == tuple(range(len(axes))):
        return f"[..., {', '.join(['None'] * (ndim - len(axes)))}]"
    return f"[{', '.join(':' if axis in axes else 'None' for axis in range(ndim))}]"
