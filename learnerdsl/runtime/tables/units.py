"""Numbers of the units of a launch: first the check of gradients, then two for each level.

    unit   0       1         2       3         4      ...
    does   check   scalars   sweep   scalars   sweep
    level          0         0       1         1

A launch runs a range of units, so that other work can come in between: matrix functions after the
scalars of a level, the totals over all variants of a rule after a sweep.
"""

CHECK = 0
"""The unit that looks for NaN and infinite gradients."""


def scalars_of(level: int) -> int:
    """Return the unit of the scalars of a level."""
    return 2 * level + 1


def sweep_of(level: int) -> int:
    """Return the unit of the sweep of a level."""
    return 2 * level + 2


def level_of(unit: int) -> int:
    """Return the level of a unit other than the check."""
    return (unit - 1) // 2


def is_sweep(unit: int) -> bool:
    """Return whether a unit other than the check is a sweep."""
    return unit % 2 == 0


def count_units(levels: int) -> int:
    """Return the number of units of so many levels, including the check."""
    return 2 * levels + 1
