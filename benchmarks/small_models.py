"""Two small models in NumPy, with gradients by hand: digits, and the next character of a text.

A model is a function from weights and a batch to a loss and gradients, all in float32. Weights of
narrow types are converted before it is called and gradients after it, as a framework does that
trains in bfloat16.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Weights = dict[str, np.ndarray]
TEXT = Path(__file__).parents[1] / "docs" / "how-it-works.md"
CONTEXT = 8
"""Characters from which the next one is predicted."""


@dataclass(frozen=True)
class Task:
    """A model and its data.

    Attributes:
        name: its name.
        start: makes the first weights from random numbers.
        inputs: the examples: pixels (examples, 64), or numbers of characters (examples, 8).
        labels: the right answer to each, a number.
        gradients: (weights, inputs, labels) -> mean cross-entropy, gradients.
        batch: examples in a minibatch.
        steps: updates of a training.
    """

    name: str
    start: Callable[[np.random.Generator], Weights]
    inputs: np.ndarray
    labels: np.ndarray
    gradients: Callable[[Weights, np.ndarray, np.ndarray], tuple[float, Weights]]
    batch: int
    steps: int


def dense(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Random weights of a layer, scaled by the number of its inputs."""
    return (rng.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)


def head(hidden: np.ndarray, weights: Weights, labels: np.ndarray) -> tuple[float, Weights]:
    """Two layers with a tanh between them, then softmax; the gradient of `hidden` is at "x"."""
    inner = np.tanh(hidden @ weights["w1"] + weights["b1"])
    scores = inner @ weights["w2"] + weights["b2"]
    scores -= scores.max(axis=1, keepdims=True)
    exponentials = np.exp(scores)
    sums = exponentials.sum(axis=1, keepdims=True)
    every = np.arange(len(labels))
    loss = float(np.mean(np.log(sums[:, 0]) - scores[every, labels]))
    error = exponentials / sums
    error[every, labels] -= 1
    error /= np.float32(len(labels))
    back = (error @ weights["w2"].T) * (1 - inner * inner)
    gradients = {"w2": inner.T @ error, "b2": error.sum(axis=0)}
    gradients |= {"w1": hidden.T @ back, "b1": back.sum(axis=0), "x": back @ weights["w1"].T}
    return loss, gradients


def layers(rng: np.random.Generator, inputs: int, hidden: int, outputs: int) -> Weights:
    """The weights of `head`."""
    return {
        "w1": dense(rng, inputs, hidden),
        "b1": np.zeros(hidden, np.float32),
        "w2": dense(rng, hidden, outputs),
        "b2": np.zeros(outputs, np.float32),
    }


def digits() -> Task:
    """The 1,797 handwritten digits of scikit-learn, by a network with 64 hidden units."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)

    def gradients(weights: Weights, inputs: np.ndarray, right: np.ndarray) -> tuple[float, Weights]:
        loss, found = head(inputs, weights, right)
        del found["x"]
        return loss, found

    return Task(
        "digits",
        lambda rng: layers(rng, 64, 64, 10),
        np.float32(images / 16),
        labels,
        gradients,
        batch=64,
        steps=1000,
    )


def characters() -> Task:
    """The next character of a page of this project, from 16 numbers for each of the last 8."""
    text = TEXT.read_text(encoding="utf-8")
    alphabet = sorted(set(text))
    codes = np.array([alphabet.index(c) for c in text])
    inputs = np.lib.stride_tricks.sliding_window_view(codes[:-1], CONTEXT)
    width = 16

    def start(rng: np.random.Generator) -> Weights:
        embedding = (rng.standard_normal((len(alphabet), width)) / 4).astype(np.float32)
        return {"e": embedding, **layers(rng, CONTEXT * width, 96, len(alphabet))}

    def gradients(weights: Weights, inputs: np.ndarray, right: np.ndarray) -> tuple[float, Weights]:
        hidden = weights["e"][inputs].reshape(len(inputs), -1)
        loss, found = head(hidden, weights, right)
        back = found.pop("x").reshape(-1, width)
        # A product with a matrix of zeros and ones adds up the rows of each character.
        chosen = np.zeros((len(back), len(alphabet)), np.float32)
        chosen[np.arange(len(back)), inputs.ravel()] = 1
        return loss, {"e": chosen.T @ back, **found}

    return Task("characters", start, inputs, codes[CONTEXT:], gradients, batch=64, steps=1000)
