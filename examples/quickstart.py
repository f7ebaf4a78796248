"""Write an optimizer as mathematics, see the loop it becomes, and train a network with it.

Run it with `make demo`, or with `pip install -e ".[examples]"` and `python examples/quickstart.py`.
It needs neither a GPU nor a download: the handwritten digits come with scikit-learn.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import learnerdsl as ld
from learnerdsl.learners import adam, momentum_sgd

SEED, MINIBATCH = 1, 64

# 1. A learner of our own. The function sees symbols, not numbers: what it returns is mathematics.


@ld.rule
def warm_rmsprop(p, g, lr=0.003, rho=0.99, warm=1e-4, eps=1e-8):
    """RMSprop whose mean square starts warm: above 0, so that the first steps are not too long."""
    a = ld.state("a", init=warm)  # one value for each element of p, kept between updates
    a_new = ld.assign(a, rho * a + (1 - rho) * g**2)  # `a` goes on meaning the old value
    return ld.assign(p, p - lr * g / (ld.sqrt(a_new) + eps))


def show(rule: ld.UpdateRule) -> None:
    """Print a rule as mathematics, as a plan and as the loop that will run."""
    print(f"The mathematics of {rule.name}; rule.latex() gives it for a paper:\n")
    print(indent(rule.pretty(), "    "))
    print(f"\nWhat it does to memory, from rule.plan():\n\n{indent(str(rule.plan()), '    ')}")
    print(f"\nThe loop that Numba compiles, from rule.loops():\n\n{indent(rule.loops(), '    ')}\n")


# 2. Data and network. Nothing here knows of learnerdsl: the parameters are NumPy arrays.


class Digits(NamedTuple):
    """Images of 8 x 8 pixels between 0 and 1, and the digits 0 to 9 that they show."""

    train_images: np.ndarray
    test_images: np.ndarray
    train_labels: np.ndarray
    test_labels: np.ndarray


def load_data() -> Digits:
    """The 1,797 digits, a fifth of each kind kept apart for the test."""
    images, labels = load_digits(return_X_y=True)
    images = np.float32(images / 16)
    split = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=SEED)
    return Digits(*split)


def initial_parameters() -> dict[str, np.ndarray]:
    """Random weights and zero biases for 64 inputs, 64 hidden units and 10 outputs."""
    rng = np.random.default_rng(SEED)
    w1, w2 = (rng.normal(0, np.sqrt(2 / 64), (64, units)) for units in (64, 10))
    parameters = {"w1": w1, "b1": np.zeros(64), "w2": w2, "b2": np.zeros(10)}
    return {name: array.astype(np.float32) for name, array in parameters.items()}


def network(parameters, images):
    """A score for each of the ten digits, for each image."""
    hidden = images @ parameters["w1"] + parameters["b1"]
    hidden = hidden * (hidden > 0)  # relu
    return hidden @ parameters["w2"] + parameters["b2"]


def cross_entropy(parameters, images, labels):
    """The mean of -log(probability of the right digit), where softmax makes probabilities."""
    scores = network(parameters, images)
    scores = scores - anp.max(scores, axis=1, keepdims=True)
    log_probabilities = scores - anp.log(anp.sum(anp.exp(scores), axis=1, keepdims=True))
    return -anp.mean(log_probabilities[np.arange(len(labels)), labels])


loss_and_gradients = value_and_grad(cross_entropy)


def accuracy(parameters, images, labels) -> float:
    """The share of images for which the right digit has the highest score."""
    return float(np.mean(network(parameters, images).argmax(axis=1) == labels))


def minibatches(count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The numbers of all training images in a new order, some at a time."""
    order = rng.permutation(count)
    for start in range(0, count, MINIBATCH):
        yield order[start : start + MINIBATCH]


# 3. Training. A rule that is called with arrays gives a learner, which updates these very arrays.


class Result(NamedTuple):
    """What a training gave: durations are in seconds, losses and updates one a minibatch."""

    name: str
    accuracy: float
    duration: float
    update_durations: list[float]
    losses: list[float]


def train(rule: ld.UpdateRule, lr: float, digits: Digits, epochs: int) -> Result:
    """Train a new network by a rule."""
    parameters = initial_parameters()
    learner = rule(parameters, lr=lr)  # compiles the loop, or finds it compiled on disk
    # Gradients go into the same arrays each time, so the learner need not check them again.
    gradients = {name: np.empty_like(array) for name, array in parameters.items()}
    rng = np.random.default_rng(SEED)
    losses, update_durations = [], []
    start = time.perf_counter()
    bar = progress_bar(rule.name, epochs)
    for _ in bar:
        for batch in minibatches(len(digits.train_labels), rng):
            images, labels = digits.train_images[batch], digits.train_labels[batch]
            loss, computed = loss_and_gradients(parameters, images, labels)
            for name, array in gradients.items():
                array[...] = computed[name]
            before = time.perf_counter()
            learner.update(gradients)
            update_durations.append(time.perf_counter() - before)
            losses.append(float(loss))
        share = accuracy(parameters, digits.test_images, digits.test_labels)
        bar.set_postfix_str(f"loss {losses[-1]:.4f}, accuracy {share:.1%}", refresh=False)
    return Result(rule.name, share, time.perf_counter() - start, update_durations, losses)


def progress_bar(name: str, epochs: int) -> tqdm:
    """A bar that counts epochs in a terminal, and writes nothing to a log file."""
    layout = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} epochs{postfix}"
    return tqdm(range(epochs), f"{name:<12}", bar_format=layout, disable=None, dynamic_ncols=True)


# 4. The report.


def print_table(results: list[Result]) -> None:
    """Print accuracy and durations, a line for each learner."""
    print(f"\n{'learner':<14}{'test accuracy':>13}{'seconds':>10}{'microseconds per update':>26}")
    for name, share, duration, updates, _ in results:
        print(f"{name:<14}{share:>13.1%}{duration:>10.2f}{1e6 * np.median(updates):>26.1f}")


def plot_losses(results: list[Result], epochs: int, path: Path) -> None:
    """Draw the loss of each learner, as its mean over each epoch, and say where."""
    figure = Figure(figsize=(8, 5), layout="constrained")  # drawn by Agg, without a display
    axes = figure.subplots()
    for result in results:
        means = np.reshape(result.losses, (epochs, -1)).mean(axis=1)
        label = f"{result.name} ({result.accuracy:.1%} on the test images)"
        axes.plot(range(1, epochs + 1), means, marker=".", label=label)
    axes.set(xlabel="epoch", ylabel="cross-entropy, mean over an epoch", yscale="log")
    axes.set_title("Training loss on handwritten digits")
    axes.grid(which="both", alpha=0.2)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"\nThe loss curves are in {path}")


def main() -> None:
    """Show the rule, train with it and with two builtin learners, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40, help="default: 40")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory for the plot")
    parser.add_argument("--quick", action="store_true", help="8 epochs, to see that all works")
    arguments = parser.parse_args()
    epochs = 8 if arguments.quick else arguments.epochs
    if epochs < 1:
        parser.error("--epochs must be 1 or more")
    show(warm_rmsprop)
    digits = load_data()
    runs = ((warm_rmsprop, 0.003), (adam, 0.005), (momentum_sgd, 0.1))
    results = [train(rule, lr, digits, epochs) for rule, lr in runs]
    print_table(results)
    plot_losses(results, epochs, arguments.out / "quickstart.png")


if __name__ == "__main__":
    main()
