"""FTRL-proximal: sparse weights for streams of sparse features."""

from learnerdsl import abs, assign, equal, rule, sign, sqrt, state, where


@rule
def ftrl(p, g, lr=1e-3, beta=0.0, lambda1=0.0, lambda2=0.0):
    r"""FTRL-proximal: follow the regularized leader, per coordinate.

    $$n' = n + g^2 \qquad
    z \leftarrow z + g - \frac{\sqrt{n'} - \sqrt{n}}{\eta}\, p \qquad
    n \leftarrow n'$$

    $$p \leftarrow \begin{cases} 0 & |z| \le \lambda_1 \\
    \dfrac{\lambda_1 \operatorname{sgn}(z) - z}{(\beta + \sqrt{n}) / \eta + \lambda_2} & \text{else}
    \end{cases}$$

    For linear models on sparse features: the L1 penalty gives weights that are exactly 0. Weights
    should start at 0: a weight whose first gradient is 0 becomes 0, and a $\beta$ above 0 shrinks
    the others. Follows the paper and `pytorch_optimizer.FTRL` with its power of -0.5. (Keras has
    $\sqrt{n} / \eta + 2 (\lambda_2 + \beta / 2\eta)$ for the denominator and starts $n$ at 0.1.)
    With a rate of 0 the formulas have no meaning, and an update changes nothing.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the $\alpha$ of the paper.
        beta: $\beta$, added to the root; the paper suggests 1.
        lambda1: coefficient $\lambda_1$ of the L1 penalty.
        lambda2: coefficient $\lambda_2$ of the L2 penalty.

    State variables: `n`, the sum of squared gradients; `z`, the shifted sum of gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import ftrl
        >>> weights = np.array([1, 0.1], np.float32)
        >>> learner = ftrl([weights], lr=0.1, lambda1=0.5)
        >>> learner.update([np.array([1, 0.6], np.float32)])
        True
        >>> weights.round(3)
        array([0.85, 0.  ], dtype=float32)

    References:
        McMahan et al., [Ad Click Prediction: a View from the
        Trenches](https://doi.org/10.1145/2487575.2488200), 2013.
    """
    n, z = state("n"), state("z")
    stays = equal(lr, 0)
    n_new = assign(n, where(stays, n, n + g**2))
    sigma = (sqrt(n_new) - sqrt(n)) / lr
    z_new = assign(z, where(stays, z, z + g - sigma * p))
    leader = (lambda1 * sign(z_new) - z_new) / ((beta + sqrt(n_new)) / lr + lambda2)
    return assign(p, where(stays, p, where(abs(z_new) <= lambda1, 0, leader)))
