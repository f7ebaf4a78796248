"""Updates of arrays on eight devices, which JAX makes of the host in processes of their own."""

import re

import pytest
from support import ROOT
from support.devices import on_eight_devices
from support.tiers import REPRESENTATIVES

pytest.importorskip("optax")

AXES = ["Auto", "Explicit"]
BOTH = ["data", "model"]
SAME = 1e-12
"""Largest difference of float64 parameters in parts of their movement."""


@pytest.fixture(scope="module")
def done():
    """What one process returns, so that JAX starts once."""
    jobs = {
        "compared": ["compared", AXES, ["adam", "adafactor"]],
        "lamb": ["counted", ["lamb"]],
        "named": ["inside_shard_map", ["lamb"], BOTH],
        "local": ["inside_shard_map", ["lamb"], None],
        "axes": ["refused", "adafactor", True],
        "unknown": ["refused", "lamb", False],
        "draws": ["distinct_draws", BOTH],
        "same draws": ["distinct_draws", None],
    }
    return dict(zip(jobs, on_eight_devices(*jobs.values()), strict=True))


def wrong(compared):
    """The comparisons that show a fault."""
    return {
        (rule, kind): found
        for rule, kinds in compared.items()
        for kind, found in kinds.items()
        if found["difference"] > SAME
        or found["traces"] != 1
        or not found["stays"]
        or not found["alike"]
    }


def test_sharded_updates_are_those_of_one_device_and_stay_where_they_are(done):
    assert wrong(done["compared"]) == {}


@pytest.mark.slow
def test_all_kinds_of_rules_update_sharded_arrays():
    (compared,) = on_eight_devices(["compared", AXES, sorted(REPRESENTATIVES - {"adam"})])
    assert wrong(compared) == {}


def test_lamb_communicates_less_than_that_of_optax(done):
    own, of_optax = done["lamb"]["lamb"]
    assert 0 < sum(own.values()) < sum(of_optax.values())


@pytest.mark.slow
def test_the_page_counts_the_collectives_of_each_rule():
    page = (ROOT / "docs/jax-sharding.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w+]+)` \| ([^|]*) \| ([^|]*) \|", page, re.MULTILINE)
    (counted,) = on_eight_devices(["counted", [name for name, *_ in rows]])
    for name, *written in rows:
        assert written[: len(counted[name])] == [shown(found) for found in counted[name]], name
    for name in ("adam", "lamb", "adafactor", "muon"):
        own, of_optax = (sum(found.values()) for found in counted[name])
        assert own <= of_optax, name


def shown(found):
    return ", ".join(f"{n} {kind}" for kind, n in sorted(found.items())) or "none"


def test_sums_are_those_of_whole_parameters_where_axes_are_named(done):
    assert done["named"]["lamb"] < SAME
    assert done["local"]["lamb"] > 0.01


@pytest.mark.slow
def test_states_of_the_model_and_copies_on_devices():
    parts, copied = on_eight_devices(
        ["inside_shard_map", ["dog", "prodigy", "stable_adamw", "cocob"], BOTH],
        ["copied_to_devices"],
    )
    assert max(parts.values()) < SAME, parts
    assert copied < SAME


def test_rules_with_axes_are_refused_where_they_see_parts(done):
    assert re.fullmatch(
        r"ArrayError: adafactor computes values of axes, but shard_map splits a parameter over "
        r"'data', so that an update sees a part of shape \(2, 4\); call the update under jit .*",
        done["axes"],
    )


def test_axes_that_are_not_kept_track_of_are_refused(done):
    assert done["unknown"] == (
        "ArrayError: lamb was made with axis_name='data', but it cannot be known which arrays are "
        "split over that axis; use jax.shard_map with check_vma=True."
    )


def test_parts_get_random_numbers_of_their_own(done):
    assert done["draws"] == 8
    assert done["same draws"] == 4
