"""Query and key weights whose attention logits stay within a limit."""

from learnerdsl import extra, transform, where


@transform(place="after")
def qk_clip(p, new, qk_tau=100.0, qk_alpha=0.5):
    r"""Shrink the query and key weights of the heads whose attention logits grow too large.

    $$p'_h \leftarrow p'_h \cdot \begin{cases}
    (\tau / S_h)^\alpha & S_h > \tau \\ 1 & \text{otherwise} \end{cases}$$

    for each index $h$ of the first axis. Logits are bilinear in the weights of queries and keys, so
    those of a head are multiplied by $\tau / S_h$ if the exponents of both add up to 1. A chain of
    `muon` and this is MuonClip, with which Kimi K2 was trained: Muon lets logits grow as AdamW does
    not. The paper measures $S_h$ in the forward pass of the step, before the update.

    `max_logit` is an extra input of every update: the largest logit $S_h$ of each head over the
    minibatch, after the division by $\sqrt{d}$, and of all processes where there are several. Its
    shape is (p.shape[0],):

    * (heads, head_dim, cols): one value for each head. A weight of shape (heads * head_dim, cols)
      is seen so with `reshape=lambda name, shape: (heads, head_dim, -1)`; then `muon` makes the
      update of each head orthogonal by itself.
    * (heads * head_dim, cols), or a bias (heads * head_dim,): one value for each row,
      `np.repeat(logits, head_dim)`; then `muon` sees the whole matrix, as in the paper.

    Parameters without heads need another rule, by `by_parameter`. In multi-head latent attention
    the paper scales the parts of queries and keys of a head with $\alpha = 1/2$, the rotary part
    of queries with $\alpha = 1$, and the rotary part of keys, which heads share, not at all. Where
    several heads share a key, its $S$ is the largest of theirs.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        qk_tau: largest logit $\tau$; positive.
        qk_alpha: exponent $\alpha$; 1 - $\alpha$ for the other factor of the logits. Groups may
            differ.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import qk_clip
        >>> queries = np.ones((2, 3, 4), np.float32)
        >>> learner = chain(sgd, qk_clip)({"q": queries}, lr=0.1)
        >>> learner.update({"q": np.zeros_like(queries)}, max_logit={"q": np.array([50.0, 400.0])})
        True
        >>> queries[:, 0, 0]
        array([1. , 0.5], dtype=float32)

    References:
        Kimi Team, [Kimi K2: Open Agentic Intelligence](https://arxiv.org/abs/2507.20534), 2025,
        section 2.1.
    """
    largest = extra("max_logit", shape=(0,))
    return where(largest > qk_tau, (qk_tau / largest) ** qk_alpha, 1) * new
