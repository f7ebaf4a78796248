"""Put the curve of each schedule on the page of schedules."""

import html

import numpy as np

from learnerdsl.cards import Curve
from learnerdsl.cards.curves import svg
from learnerdsl.command.curves import values

UPDATES = 1000

EXAMPLES = (
    "constant(0.1)",
    "held(0.1, 0.5, steps=300)",
    "linear(0.1, 0.02, steps=800)",
    "polynomial(0.1, 0.0, steps=900, power=2.0)",
    "power_cool(0.1, steps=950, coefficient=4e-5)",
    "exponential(0.1, 0.5, decay_steps=200)",
    "step_decay(0.1, 0.5, 250)",
    "inverse_time(0.1, 1.0, 100)",
    "cosine(0.1, steps=900)",
    "cosine_periodic(0.1, steps=400)",
    "cosine_restarts(0.1, steps=150, period_growth=2, restart_decay=0.8)",
    "rex(0.1, steps=900)",
    "swa_annealing(0.1, 0.02, steps=300)",
    "chebyshev(1.0, 100.0, steps=32)",
    "piecewise_constant([0.1, 0.05, 0.01], [300, 700])",
    "piecewise_interpolate([0.02, 0.1, 0.0], [300, 900])",
    "warmup(exponential(0.1, 0.5, decay_steps=300), steps=200)",
    "warmup_constant(0.0, 0.1, 200)",
    "warmup_cosine(0.0, 0.1, 150, steps=950)",
    "warmup_exponential(0.0, 0.1, 150, 0.5, decay_steps=200)",
    "inverse_sqrt(0.1, 150)",
    "noam(512, 200)",
    "wsd(0.1, warmup_steps=100, stable_steps=600, decay_steps=250)",
    "one_cycle(0.1, steps=950)",
    "one_cycle_optax(0.1, steps=950)",
    "cyclic(0.02, 0.1, 150)",
    "join([linear(0.02, 0.1, steps=200), cosine(0.1, steps=700)], [200])",
    "product([cosine(0.1, steps=900), step_decay(1.0, 0.6, 300)])",
)
"""A call of each schedule that has a formula, whose curve is shown."""

MARK = "<!-- The site has the curve of each schedule here. -->"
"""The place in docs/schedules.md where the curves go."""


def completed(markdown: str) -> str:
    """Return the page with a curve of each schedule."""
    if MARK not in markdown:
        return markdown
    figures = "".join(map(figure, EXAMPLES))
    return markdown.replace(MARK, f'<div class="schedules">{figures}</div>')


def figure(text: str) -> str:
    """Return the curve of a schedule below the call that makes it."""
    own = values(text, UPDATES).values
    # That of chebyshev jumps with every update.
    last = 63 if text.startswith("chebyshev") else UPDATES - 1
    places = np.unique(np.linspace(0, last, 250).round().astype(int))
    curve = Curve(tuple((places + 1).tolist()), tuple(own[places].tolist()))
    caption = f"<figcaption><code>{html.escape(text)}</code></figcaption>"
    return f"<figure>{caption}{svg(curve)}</figure>"
