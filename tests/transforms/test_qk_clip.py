"""MuonClip on a small attention layer: after each step no logit is above the limit."""

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.learners import adamw, muon, sgd
from learnerdsl.transforms import qk_clip

torch = pytest.importorskip("torch")

HEADS, WIDTH, MODEL, TOKENS, TAU = 3, 4, 8, 6, 2.0
MUONCLIP = ld.chain(muon, qk_clip)
MIXED = ld.by_parameter(lambda name, shape: MUONCLIP if name in ("q", "k") else adamw)


def start(seed):
    """Weights of queries, keys and values, with keys and queries that are far too large."""
    rng = np.random.default_rng(seed)
    shapes = {"q": (HEADS, WIDTH, MODEL), "k": (HEADS, WIDTH, MODEL), "v": (HEADS, WIDTH, MODEL)}
    params = {n: rng.standard_normal(s) for n, s in shapes.items()}
    params["q"] *= np.array([0.1, 1.0, 3.0])[:, None, None]
    return params, rng.standard_normal((TOKENS, MODEL))


def largest_logits(params, x):
    """The largest attention logit of each head."""
    q, k = (np.einsum("td,hwd->htw", x, params[n]) for n in "qk")
    return (np.einsum("htw,hsw->hts", q, k) / np.sqrt(WIDTH)).max(axis=(1, 2))


def gradients_of(params, x, wanted):
    """Gradients of the squared error of an attention layer, by PyTorch."""
    own = {n: torch.tensor(p, requires_grad=True) for n, p in params.items()}
    inputs = torch.tensor(x)
    q, k, v = (torch.einsum("td,hwd->htw", inputs, own[n]) for n in "qkv")
    weights = torch.softmax(q @ k.transpose(1, 2) / WIDTH**0.5, dim=-1)
    ((weights @ v - torch.tensor(wanted)) ** 2).mean().backward()
    return {n: p.grad.numpy() for n, p in own.items()}


def test_logits_above_the_limit_are_the_limit_after_a_step():
    params, x = start(0)
    before = largest_logits(params, x)
    assert before[0] < TAU < before[1] < before[2]
    # A rule that does not move shows what the clip alone does.
    learner = ld.chain(sgd, qk_clip)({n: params[n] for n in "qk"}, lr=0.0, qk_tau=TAU)
    nothing = {n: np.zeros_like(params[n]) for n in "qk"}
    learner.update(nothing, max_logit=dict.fromkeys("qk", before))
    np.testing.assert_allclose(largest_logits(params, x), np.minimum(before, TAU), rtol=1e-13)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_exponents_that_add_up_to_1_give_the_limit(alpha):
    params, x = start(1)
    before = largest_logits(params, x)
    own = {n: params[n] for n in "qk"}
    groups = [{"params": ["k"], "qk_alpha": 1 - alpha}]
    learner = ld.chain(sgd, qk_clip)(own, lr=0.0, qk_tau=TAU, qk_alpha=alpha, groups=groups)
    learner.update(
        {n: np.zeros_like(p) for n, p in own.items()}, max_logit=dict.fromkeys("qk", before)
    )
    np.testing.assert_allclose(largest_logits(params, x), np.minimum(before, TAU), rtol=1e-13)


def test_a_layer_trains_with_logits_near_the_limit():
    params, x = start(2)
    wanted = np.random.default_rng(3).standard_normal((HEADS, TOKENS, WIDTH))
    learner = MIXED(params, muon_qk_clip={"lr": 0.02, "qk_tau": TAU}, adamw={"lr": 0.02})
    losses, peaks = [], []
    for _ in range(60):
        seen = largest_logits(params, x)
        gradients = gradients_of(params, x, wanted)
        v = np.einsum("td,hwd->htw", x, params["v"])
        q, k = (np.einsum("td,hwd->htw", x, params[n]) for n in "qk")
        logits = np.einsum("htw,hsw->hts", q, k) / np.sqrt(WIDTH)
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        losses.append(((weights @ v - wanted) ** 2).mean())
        learner.update(gradients, max_logit=dict.fromkeys("qk", seen))
        peaks.append(largest_logits(params, x).max())
    assert losses[-1] < 0.5 * losses[0]
    assert max(peaks) < 1.5 * TAU  # a step moves them a little before the next clip sees it


def test_rows_of_a_matrix_with_repeated_logits_are_clipped_as_heads_are():
    params, _ = start(4)
    stacked, flat = params["q"].copy(), params["q"].reshape(HEADS * WIDTH, MODEL).copy()
    logits = np.array([1.0, 8.0, 50.0])
    chain = ld.chain(sgd, qk_clip)
    chain([stacked], lr=0.1, qk_tau=TAU).update([np.ones_like(stacked)], max_logit=[logits])
    repeated = np.repeat(logits, WIDTH)
    chain([flat], lr=0.1, qk_tau=TAU).update([np.ones_like(flat)], max_logit=[repeated])
    np.testing.assert_array_equal(flat, stacked.reshape(flat.shape))


def test_biases_are_clipped_and_values_that_are_no_numbers_are_not():
    bias = np.ones(4)
    chain = ld.chain(sgd, qk_clip)
    learner = chain([bias], lr=0.0)
    learner.update([np.zeros(4)], max_logit=[np.array([np.nan, -5.0, 100.0, 400.0])])
    np.testing.assert_array_equal(bias, [1, 1, 1, 0.5])


def test_numbers_have_no_heads():
    with pytest.raises(ld.RuleError, match=r"has the axes \(0,\), but a tensor with 0 axes"):
        ld.chain(sgd, qk_clip)([np.ones(())])
