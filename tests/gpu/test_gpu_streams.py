"""Learners on streams and in CUDA graphs, and updates that are refused; skipped without a GPU."""

import numpy as np
import pytest
from gpu.devices import (
    MARKS,
    SLEEP,
    STEPS,
    assert_as_oracle,
    contents,
    fill,
    name_of,
    place_all,
    problem,
    trained,
)
from support.battery import RULES
from support.rules import clipped_adamw_ema
from support.small_rules import every_state

import learnerdsl as ld

pytestmark = MARKS


@pytest.mark.parametrize("name", ["adam", "lamb", "muon_with_adamw"])
def test_an_update_waits_for_what_its_stream_does_before(name, torch, of_torch):
    start, sequence = problem()
    learner = RULES[name](place_all(of_torch, start))
    placed = [place_all(of_torch, gradients) for gradients in sequence]
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        for values in placed:
            gradients = [torch.full_like(value, np.nan) for value in values]
            torch.cuda._sleep(SLEEP)
            for gradient, value in zip(gradients, values, strict=True):
                gradient.copy_(value)
            assert learner.update(gradients) is True
    stream.synchronize()
    assert_as_oracle(RULES[name], of_torch, learner, start, sequence)


def test_an_update_returns_before_it_is_done(torch, of_torch):
    start, (gradients,) = problem(steps=1)
    learner, placed = RULES["adam"](place_all(of_torch, start)), place_all(of_torch, gradients)
    learner.update(placed)
    torch.cuda.synchronize()
    torch.cuda._sleep(SLEEP)
    learner.update(placed)
    assert not torch.cuda.current_stream().query()
    assert learner.step_count == 2
    torch.cuda.synchronize()
    assert_as_oracle(RULES["adam"], of_torch, learner, start, [gradients] * 2)


def test_a_learner_is_made_on_the_stream_that_is_current(torch, of_torch):
    start, sequence = problem()
    params, placed = place_all(of_torch, start), [place_all(of_torch, g) for g in sequence]
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    torch.cuda._sleep(SLEEP)  # what the default stream does later must not meet the learner
    with torch.cuda.stream(stream):
        learner = RULES["lamb"](params)
        learner.update(placed[0])
    torch.cuda.synchronize()
    for gradients in placed[1:]:
        learner.update(gradients)
    assert_as_oracle(RULES["lamb"], of_torch, learner, start, sequence)


def test_arrays_of_cupy_are_updated_on_the_stream_of_cupy(of_cupy):
    cupy = of_cupy.cupy
    start, sequence = problem()
    learner = RULES["lamb"](place_all(of_cupy, start))
    placed = [place_all(of_cupy, gradients) for gradients in sequence]
    work = cupy.ones(1 << 26, cupy.float32)
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()
    with stream:
        for values in placed:
            gradients = [cupy.full_like(value, cupy.nan) for value in values]
            for _ in range(50):
                work += 1
            for gradient, value in zip(gradients, values, strict=True):
                gradient[...] = value
            assert learner.update(gradients) is True
    stream.synchronize()
    assert_as_oracle(RULES["lamb"], of_cupy, learner, start, sequence)


def capture(torch, learner, gradients, minibatch_size=1):
    """A CUDA graph of an update, which has not been done yet."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        learner.update(gradients, minibatch_size)
    return graph


@pytest.mark.parametrize("rule", [RULES["adam"], clipped_adamw_ema, every_state], ids=name_of)
def test_replays_of_a_graph_are_updates_bit_for_bit(rule, torch, of_torch):
    start, sequence = problem(steps=6)
    ordinary = trained(rule, of_torch, start, sequence, minibatch_size=3)
    learner, static = rule(place_all(of_torch, start)), place_all(of_torch, sequence[0])
    learner.update(static, 3)
    graph = capture(torch, learner, static, 3)
    assert learner.step_count == 1
    for gradients in sequence[1:]:
        fill(static, gradients)
        graph.replay()
    assert contents(learner, of_torch) == contents(ordinary, of_torch)


def test_a_graph_may_have_gradients_that_no_update_had_before(torch, of_torch):
    start, sequence = problem()
    ordinary = trained(clipped_adamw_ema, of_torch, start, sequence)
    learner = trained(clipped_adamw_ema, of_torch, start, sequence[:1])
    static = place_all(of_torch, sequence[0])
    graph = capture(torch, learner, static)
    for gradients in sequence[1:]:
        fill(static, gradients)
        graph.replay()
    assert contents(learner, of_torch) == contents(ordinary, of_torch)


def test_functions_of_matrices_are_part_of_a_graph(torch, of_torch):
    start, sequence = problem()
    rule = RULES["muon_with_adamw"]
    learner, static = rule(place_all(of_torch, start)), place_all(of_torch, sequence[0])
    learner.update(static)
    graph = capture(torch, learner, static)
    for gradients in sequence[1:]:
        fill(static, gradients)
        graph.replay()
    assert learner.step_count == STEPS
    assert_as_oracle(rule, of_torch, learner, start, sequence)


@pytest.mark.parametrize("is_known", [False, True], ids=["new", "known"])
def test_ordinary_updates_with_other_gradients_go_between_replays(is_known, torch, of_torch):
    start, sequence = problem(steps=6)
    expected = trained(clipped_adamw_ema, of_torch, start, sequence)
    learner = clipped_adamw_ema(place_all(of_torch, start))
    static, others = place_all(of_torch, sequence[0]), place_all(of_torch, sequence[0])
    learner.update(static if is_known else others)
    graph = capture(torch, learner, static)
    for step, gradients in enumerate(sequence[1:]):
        is_ordinary = step in (1, 3)
        fill(others if is_ordinary else static, gradients)
        fill(static if is_ordinary else others, [np.full_like(g, 9) for g in gradients])
        if is_ordinary:
            learner.update(others)
        else:
            graph.replay()
    assert contents(learner, of_torch) == contents(expected, of_torch)


def test_schedules_go_on_where_replays_are_refreshed(torch, of_torch):
    start, sequence = problem(steps=6)
    settings = {"lr": ld.schedules.cosine(0.1, steps=8), "weight_decay": 0.01}
    ordinary = trained(RULES["adamw"], of_torch, start, sequence, **settings)
    learner = RULES["adamw"](place_all(of_torch, start), **settings)
    static = place_all(of_torch, sequence[0])
    learner.update(static)
    graph = capture(torch, learner, static)
    for gradients in sequence[1:]:
        fill(static, gradients)
        learner.refresh()
        graph.replay()
    assert contents(learner, of_torch) == contents(ordinary, of_torch)


def test_a_hyperparameter_that_was_set_reaches_the_replays_after_a_refresh(torch, of_torch):
    start, sequence = problem()
    learner, static = RULES["adam"](place_all(of_torch, start)), place_all(of_torch, sequence[0])
    learner.update(static)
    graph = capture(torch, learner, static)
    learner.hyperparameters["lr"] = 0.0
    learner.refresh()
    before = place_all(of_torch, [of_torch.on_host(p) for p in learner.parameters.values()])
    graph.replay()
    for p, unchanged in zip(learner.parameters.values(), before, strict=True):
        assert torch.equal(p, unchanged)


def spoilt(library, gradients, value):
    """Gradients on the GPU, one element of the second of which has a value."""
    gradients = [g.copy() for g in gradients]
    gradients[1].flat[-1] = value
    return place_all(library, gradients)


def update_with_and_without(rule, library, start, sequence, bad):
    """A learner that was given gradients twice, first as they are, then with a bad value."""
    learner = rule(place_all(library, start), nonfinite="skip")
    outcomes = []
    for gradients in sequence:
        outcomes.append(learner.update(place_all(library, gradients)))
        outcomes.append(learner.update(spoilt(library, gradients, bad)))
    assert [bool(done) for done in outcomes] == [True, False] * STEPS
    return learner


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rule", [every_state, clipped_adamw_ema], ids=name_of)
def test_updates_with_gradients_that_are_not_finite_are_skipped(rule, bad, of_torch):
    start, sequence = problem()
    ordinary = trained(rule, of_torch, start, sequence)
    learner = update_with_and_without(rule, of_torch, start, sequence, bad)
    assert contents(learner, of_torch) == contents(ordinary, of_torch)


def test_rules_of_several_variants_skip_whole_updates(of_torch):
    start, sequence = problem()
    rule = RULES["muon_with_adamw"]
    learner = update_with_and_without(rule, of_torch, start, sequence, np.nan)
    assert learner.step_count == STEPS
    assert_as_oracle(rule, of_torch, learner, start, sequence)


def test_an_outcome_is_that_of_its_update_wherever_it_is_asked_for(torch, of_torch):
    start, (gradients,) = problem(steps=1)
    learner = RULES["adam"](place_all(of_torch, start), nonfinite="skip")
    good, bad = place_all(of_torch, gradients), spoilt(of_torch, gradients, np.nan)
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(SLEEP)
        outcomes = [learner.update(bad), learner.update(good)]
    assert [bool(done) for done in outcomes] == [False, True]


def test_an_error_names_the_gradients_that_are_not_finite(of_torch):
    start, sequence = problem()
    learner = trained(every_state, of_torch, start, sequence, nonfinite="raise")
    before = contents(learner, of_torch)
    with pytest.raises(ld.NonFiniteError, match=r"Gradients of 1 hold"):
        learner.update(spoilt(of_torch, sequence[0], np.inf))
    assert contents(learner, of_torch) == before
