"""Numbers of the units of a launch: the check of gradients, then two for each level.

    unit   0       1         2       3         4      ...
    does   check   scalars   sweep   scalars   sweep
    level          0         0       1         1

A launch runs a range of units, so that others can work in between: functions of matrices behind the
scalars of a level, variants of a rule behind a sweep.
"""

CHECK = 0
"""The unit that looks for gradients which are not finite."""


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
    """Return how many units so many levels have, the check included."""
    return 2 * levels + 1
