"""Draw what was observed and what `lr_finder` found, with matplotlib."""

from collections.abc import Sequence
from typing import Any

from learnerdsl.errors import UnknownNameError
from learnerdsl.fit.libraries import library
from learnerdsl.fit.rates import RateSearch
from learnerdsl.learner.history import History

__all__ = ["history", "lr_finder"]


def history(history: History, names: Sequence[str] | None = None, axes: Any = None) -> Any:
    """Draw each observer over the number of the update, on a logarithmic scale if all are positive.

    Args:
        history: `learner.history`.
        names: which observers; None for all.
        axes: axes of matplotlib, one for each observer; None to make a figure.

    Returns:
        The axes, one for each observer.

    Raises:
        LearnerError: matplotlib is not installed, or the history has no observer of a name.
    """
    chosen = list(history) if names is None else list(names)
    columns = {name: history[name] for name in chosen}
    if not columns:
        msg = f"names is empty; choose among {', '.join(history)}."
        raise UnknownNameError(msg)
    if axes is None:
        pyplot = library("matplotlib.pyplot", "A plot")
        size = (7.0, 1.0 + 1.8 * len(columns))
        _, grid = pyplot.subplots(
            len(columns), 1, sharex=True, squeeze=False, figsize=size, layout="constrained"
        )
        axes = grid[:, 0]
    drawn = [axes] if hasattr(axes, "plot") else list(axes)
    for ax, (name, values) in zip(drawn, columns.items(), strict=True):
        ax.plot(history.steps, values, linewidth=1.2)
        ax.set_ylabel(name)
        if len(values) and (values > 0).all():
            ax.set_yscale("log")
    drawn[-1].set_xlabel("update")
    return drawn


def lr_finder(search: RateSearch, ax: Any = None) -> Any:
    """Draw the losses of a range test over the rates, with the suggested rate.

    Args:
        search: what `learnerdsl.lr_finder` returned.
        ax: axes of matplotlib; None to make a figure.

    Returns:
        The axes.

    Raises:
        LearnerError: matplotlib is not installed.
    """
    if ax is None:
        pyplot = library("matplotlib.pyplot", "A plot")
        _, ax = pyplot.subplots(figsize=(7.0, 4.0), layout="constrained")
    ax.plot(search.rates, search.losses, linewidth=0.8, alpha=0.5, label="loss")
    ax.plot(search.rates, search.smoothed, linewidth=1.5, label="smoothed")
    label = f"suggestion {search.suggestion:.2g}"
    ax.axvline(search.suggestion, linestyle="--", color="black", linewidth=1.0, label=label)
    ax.set_xscale("log")
    ax.set_xlabel("rate")
    ax.set_ylabel("loss")
    ax.legend()
    return ax
