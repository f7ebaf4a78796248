"""Timings in turns, paths on surfaces, schedules: what they compute, and what they write."""

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime, rosen

from learnerdsl import schedules
from learnerdsl.command import bench, curves, paths, timing
from learnerdsl.learners import adam


@pytest.mark.slow
def test_bench_times_rules_beside_torch_and_optax(run_json):
    found = run_json("bench", "adam", "lion", "--sizes", "100,200", "--rounds", "2")
    assert [one["elements"] for one in found] == [100, 200]
    peers = found[0]["peers"]
    expected = ["adam", "lion"]
    if timing.importlib.util.find_spec("torch"):
        expected += ["adam, torch fused", "adam, torch foreach"]
    if timing.importlib.util.find_spec("optax"):
        expected += ["adam, optax jit", "lion, optax jit"]
    assert set(peers) == set(expected)
    assert next(iter(peers)) == "adam"
    assert all(len(own["seconds"]) == 2 and min(own["seconds"]) > 0 for own in peers.values())
    assert peers["adam"]["ratio"] == 1


def test_medians_and_ratios_are_those_of_rounds():
    found = timing.Timings(10, {"a": [1.0, 2.0, 10.0], "b": [2.0, 6.0, 10.0]})
    assert (found.median("a"), found.ratio("a"), found.ratio("b")) == (2, 1, 2)
    assert [row[3] for row in bench._rows(found)] == ["1.00", "2.00"]
    assert [bench._time(s) for s in (2.0, 3e-3, 4.5e-6)] == ["2 s", "3 ms", "4.5 us"]


@pytest.mark.parametrize(
    "name",
    [
        "adam",
        *(pytest.param(n, marks=pytest.mark.slow) for n in sorted({*timing.TORCH} - {"adam"})),
    ],
)
def test_peers_compute_what_the_rule_computes(name):
    torch = pytest.importorskip("torch")
    p, g = np.linspace(-1, 1, 8, dtype=np.float32), np.full(8, 0.5, np.float32)
    made = {peer: make(p, g) for peer, make in timing.peers_of([name]).items() if "torch" in peer}
    optimizer = next(iter(made.values())).__self__
    for _ in range(3):
        optimizer.step()
    weights = p.copy()
    learner = timing.find_rule(name)([weights], lr=1e-3)
    for _ in range(3):
        learner.update([g])
    held = optimizer.param_groups[0]["params"][0]
    assert isinstance(held, torch.Tensor)
    np.testing.assert_allclose(held.detach().numpy(), weights, rtol=1e-5, atol=1e-6)


def test_bench_prints_a_table_and_says_what_it_cannot_time(run):
    text = run("bench", "sign_sgd", "--sizes", "100", "--rounds", "1")
    assert text.splitlines()[1].split()[:2] == ["100", "sign_sgd"]
    assert "its updates need loss as well" in run("bench", "polyak_sgd", code=1)


def test_a_busy_machine_is_reported(monkeypatch):
    monkeypatch.setattr(timing.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(timing.os, "getloadavg", lambda: (9.7, 1, 1), raising=False)
    assert timing.machine().endswith(
        "2 processors, busy (load 9.7): the times are not to be trusted"
    )
    monkeypatch.setattr(timing.os, "getloadavg", lambda: (2.1, 9, 9), raising=False)
    assert timing.machine().endswith("2 processors")


@pytest.mark.parametrize("name", paths.SURFACES)
def test_surfaces_have_the_right_derivatives(name):
    surface = paths.SURFACES[name]
    for point in np.random.default_rng(0).normal(size=(5, 2)):
        slope = approx_fprime(point, surface.loss, 1e-7)
        np.testing.assert_allclose(surface.gradient(point), slope, rtol=1e-4, atol=1e-4)
        for k in range(2):
            along = approx_fprime(point, lambda w, k=k: surface.gradient(w)[k], 1e-7)[k]
            np.testing.assert_allclose(surface.curvature(point)[k], along, rtol=1e-4, atol=1e-3)


def test_rosenbrock_is_that_of_scipy():
    points = np.random.default_rng(0).normal(size=(2, 6))
    np.testing.assert_allclose(paths.SURFACES["rosenbrock"].loss(points), rosen(points))


def test_a_path_is_that_of_the_learner():
    found = paths.followed("adam", "valley", 5, 0.1)
    weights = np.array([[-3.0, 0.6]])
    learner = adam([weights], lr=0.1)
    expected = [weights.ravel().copy()]
    for _ in range(5):
        learner.update([weights * [[1, 100]]])
        expected.append(weights.ravel().copy())
    np.testing.assert_array_equal(found.points, expected)
    np.testing.assert_allclose(found.losses, [(x**2 + 100 * y**2) / 2 for x, y in expected])


def test_the_rate_is_the_best_of_the_grid():
    best = paths.followed("sgd", "valley", 30, None)
    others = [paths.followed("sgd", "valley", 30, rate) for rate in paths.RATES]
    assert best.reached == np.nanmin([other.reached for other in others])
    assert best.lr == 0.01  # by hand: rates from 0.02 on diverge where the curvature is 100


def test_rules_get_the_extras_that_surfaces_have():
    for name in ("polyak_sgd", "sophia", "muon"):
        assert paths.followed(name, "valley", 20, None).reached < 22.5
    assert math.isnan(paths.followed("cocob", "valley", 2, None).lr)


def test_plot_writes_a_picture(run, run_json, tmp_path):
    path = tmp_path / "paths.png"
    text = run("plot", "sgd", "--problem", "valley", "--steps", "20", "--output", str(path))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert text.splitlines()[1].split()[:3] == ["valley", "sgd", "0.01"]
    found = run_json("plot", "sgd", "--problem", "saddle", "--lr", "0.1", "--steps", "3")
    assert [(one["name"], one["problem"], len(one["points"])) for one in found] == [
        ("sgd", "saddle", 4)
    ]
    assert "Cannot write the picture" in run(
        "plot", "sgd", "--lr", "0.1", "--steps", "2", "--output", str(tmp_path / "x.zzz"), code=1
    )


def test_schedules_are_evaluated_as_written(run, run_json, tmp_path):
    text = "cosine(1e-3, steps=50)"
    (found,) = run_json("plot", "--schedule", text)
    np.testing.assert_array_equal(found["values"], schedules.cosine(1e-3, steps=50).values(50))
    (found,) = run_json("plot", "--schedule", "1/step", "--steps", "4")
    np.testing.assert_allclose(found["values"], [1, 1 / 2, 1 / 3, 1 / 4])
    path = tmp_path / "schedule.svg"
    run("plot", "--schedule", text, "--output", str(path))
    assert "<svg" in path.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosin(1)", "did you mean cosine"),
        ("cosine(", "is not Python"),
        ("cosine(1e-3, nothing=3)", "cannot be evaluated: TypeError"),
        ("__import__('os')", "There is no schedule '__import__'"),
        ("cosine.__class__", "without dots"),
        ("'text'", "Error"),
    ],
)
def test_a_text_that_is_no_schedule_is_a_mistake(run, text, message):
    assert message in run("plot", "--schedule", text, code=1)


def test_without_matplotlib_the_command_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert "pip install matplotlib" in run("plot", "sgd", code=1)


def test_length_of_a_schedule_is_in_its_text():
    assert len(curves.values("cosine(1e-3, steps=7)", None).values) == 7
    assert len(curves.values("1/step", None).values) == curves.STEPS
