"""Updates of arrays on eight devices, which JAX makes of the host in processes of their own."""

import re

import jax
import jax.numpy as jnp
import optax
import pytest
from jax.sharding import PartitionSpec as P
from support import ROOT
from support.devices import on_eight_devices
from support.tiers import REPRESENTATIVES

import learnerdsl.jax as ldj
from learnerdsl.errors import HyperparameterError

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
        "specs": ["with_specs", ["adafactor", "muon", "noisy_sgd"]],
        "collectives": ["counted_parts", ["adam", "adafactor", "muon"]],
        "of a stack": ["counted_parts", ["muon"], ["d"]],
        "errors": ["errors_of_specs"],
        "extras": ["extras_in_parts"],
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
        r"'data', so that an update sees a part of shape \(2, 4\); say by specs= how parameters .*",
        done["axes"],
    )


def test_axes_that_are_not_kept_track_of_are_refused(done):
    assert done["unknown"] == (
        "ArrayError: lamb was told that parameters are divided over the axis 'data' of a mesh, "
        "but it cannot be known which arrays are; use jax.shard_map with check_vma=True."
    )


def test_parts_get_random_numbers_of_their_own(done):
    assert done["draws"] == 8
    assert done["same draws"] == 4


# What specs say


def test_specs_make_rows_matrices_and_draws_those_of_whole_parameters(done):
    assert max(done["specs"].values()) < SAME, done["specs"]


def test_extras_of_rows_and_columns_are_given_in_parts(done):
    assert done["extras"] < SAME


@pytest.mark.slow
def test_all_kinds_of_rules_update_parts():
    """Also parts of length 1, states that are made inside of shard_map, and stacks of matrices."""
    by_element = {"adam", "adashift", "amsgrad", "lion", "momentum_sgd", "sgd"}
    rules, sorts = sorted(REPRESENTATIVES - by_element), ["adafactor", "muon", "noisy_sgd"]
    found = on_eight_devices(
        ["with_specs", rules],
        ["with_specs", sorts, True],
        ["with_specs", sorts, False, True],
        ["with_specs", ["adafactor", "apollo_mini", "nordion2", "soap"], False, False, ["d", "e"]],
        ["with_specs", ["galore_adamw"], False, True, ["d", "e"]],
    )
    assert all(max(own.values()) < SAME for own in found), found


def test_parts_are_joined_once(done):
    """Of `a`, which one axis divides, `b`, which two do, and the vector `c`."""
    found = done["collectives"]
    assert found["adam"] == {}
    # Each matrix: parameter, gradient and momentum.
    assert found["muon"] == {"all_gather": 6}
    # Each device has other matrices of the stack.
    assert done["of a stack"]["muon"] == {}
    # Norms of the parameter and of the update: 6. Sums over rows: 2, and over columns: 1, as no
    # axis divides the columns of `a`. The mean of the sums of rows: 2.
    assert found["adafactor"] == {"psum": 11}


def test_specs_that_arrays_do_not_have_are_refused(done):
    more, fewer, gradient = done["errors"]
    assert more == (
        "ArrayError: The specs of adafactor and the in_specs of jax.shard_map differ: shard_map "
        "divides 'a' over 'data'; give both the same specs."
    )
    assert "shard_map does not divide 'a' over 'data'; give both" in fewer
    assert gradient == (
        "ArrayError: The gradient of 'a' differs between the devices of 'data', over which specs "
        "of adafactor does not divide the parameter; average it first, by "
        "jax.lax.pmean(gradient, 'data')."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"specs": {"w": "model"}}, "specs of sm3 must be a tree of jax.P .*; got 'model' in it"),
        (
            {"specs": P("model"), "axis_name": "data"},
            "specs of sm3 divide parameters over 'model', which axis_name='data' does not name",
        ),
    ],
)
def test_specs_are_checked_where_they_are_given(arguments, message):
    with pytest.raises(HyperparameterError, match=message):
        ldj.sm3(**arguments)


def test_specs_must_fit_the_parameters():
    params = {"w": jnp.ones((2, 2)), "b": jnp.ones(2)}
    with pytest.raises(HyperparameterError, match=r"The specs of sm3 do not fit the tree"):
        ldj.sm3(specs={"w": P()}).init(params)
    with pytest.raises(HyperparameterError, match=r"spec of 'b', .* has 2 axes.* parameter has 1"):
        ldj.sm3(specs=P("data", "model")).init(params)
    with pytest.raises(HyperparameterError, match=r"sm3 was made without specs; give them"):
        ldj.sm3().state_specs(params)


def test_states_are_divided_along_the_axes_that_they_have():
    params = {"w": jax.ShapeDtypeStruct((8, 4), jnp.float32), "b": jnp.ones(4)}
    found = ldj.adafactor(specs={"w": P("data", "model"), "b": P()}).state_specs(params)
    assert found.states["row"] == {"w": P("data"), "b": optax.MaskedNode()}
    assert found.states["col"] == {"w": P(None, "model"), "b": optax.MaskedNode()}
    assert found.states["v"] == {"w": optax.MaskedNode(), "b": P()}
    assert found.count == P()
    matrices = ldj.soap().state_specs({"w": params["w"]}, P(("data", "model")))
    assert matrices.states["m"] == {"w": P(("data", "model"))}
    assert {found["w"] for name, found in matrices.states.items() if name not in "mv"} == {P()}
    assert ldj.prodigy().state_specs(params, P()).model == {"d": P(), "r": P()}


def test_a_tree_of_states_and_that_of_their_specs_are_alike():
    params = {"w": jnp.ones((8, 4)), "b": jnp.ones(4)}
    for tx in (
        ldj.adafactor(),
        ldj.prodigy(),
        ldj.adam(groups={"f": None}, labels={"w": "f", "b": ""}),
    ):
        state, specs = tx.init(params), tx.state_specs(params, P())
        assert jax.tree.structure(state) == jax.tree.structure(specs)
