"""Train a network of PyTorch with a rule of your own, beside a builtin one, and resume from a file.

Run it with `python examples/torch_digits.py`. It needs nothing but PyTorch, and no download: the
digits are drawn by the script.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from torch import nn

import learnerdsl as ld
import learnerdsl.torch as ldt

SEED, MINIBATCH = 1, 64

# 1. A rule of your own: what happens to one element p of a parameter, whose gradient is g.


@ld.rule
def cautious_momentum(p, g, lr=0.05, decay=0.9):
    """Momentum that moves an element only where momentum and gradient agree in sign."""
    m = ld.state("m")
    m_new = ld.assign(m, decay * m + g)
    return ld.assign(p, p - lr * ld.where(m_new * g > 0, m_new, 0))


# 2. Data and network, as anywhere in PyTorch.

SEGMENTS = "abcdefg"
LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", SEGMENTS, "abcdfg")
"""The segments of a digital clock that show the digits 0 to 9."""
PIXELS = {
    "a": (slice(0, 1), slice(1, 5)),
    "b": (slice(1, 4), slice(5, 6)),
    "c": (slice(5, 8), slice(5, 6)),
    "d": (slice(8, 9), slice(1, 5)),
    "e": (slice(5, 8), slice(0, 1)),
    "f": (slice(1, 4), slice(0, 1)),
    "g": (slice(4, 5), slice(1, 5)),
}


def draw(count: int, numbers: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images of digits (count, 11, 8) at random places, with noise, and their labels."""
    shapes = torch.zeros(10, 9, 6)
    for digit, segments in enumerate(LIT):
        for segment in segments:
            shapes[(digit, *PIXELS[segment])] = 1
    labels = torch.randint(10, (count,), generator=numbers)
    images = 0.2 * torch.randn(count, 11, 8, generator=numbers)
    corners = torch.randint(3, (count, 2), generator=numbers)
    for image, label, (y, x) in zip(images, labels, corners.tolist(), strict=True):
        image[y : y + 9, x : x + 6] += shapes[label]
    return images, labels


def network() -> nn.Module:
    """Return two layers, always with the same first weights."""
    torch.manual_seed(SEED)
    return nn.Sequential(nn.Flatten(), nn.Linear(88, 64), nn.ReLU(), nn.Linear(64, 10))


# 3. Training. Each class is a torch.optim.Optimizer, so schedulers and files work as always.


class Training:
    """A network with an optimizer and a scheduler of torch, all of which can be saved."""

    def __init__(self, optimizer_class: type[torch.optim.Optimizer], lr: float, epochs: int):
        self.model = network()
        self.optimizer = optimizer_class(self.model.parameters(), lr=lr)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, epochs)
        self.parts = {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule}

    def epoch(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Show all images once."""
        for batch in torch.arange(len(images)).split(MINIBATCH):
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.model(images[batch]), labels[batch]).backward()
            self.optimizer.step()
        self.schedule.step()

    def accuracy(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Return the share of images whose label gets the highest score."""
        with torch.no_grad():
            return (self.model(images).argmax(1) == labels).float().mean().item()

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        torch.save({name: part.state_dict() for name, part in self.parts.items()}, path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        for name, state in torch.load(path, weights_only=True).items():
            self.parts[name].load_state_dict(state)


def main() -> None:
    """Train with three optimizers; interrupt each halfway, and resume it from its checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8, help="default: 8")
    epochs = max(2, parser.parse_args().epochs)
    torch.set_num_threads(1)  # faster for products of small matrices
    numbers = torch.Generator().manual_seed(SEED)
    train_set, test_set = draw(3000, numbers), draw(1000, numbers)
    own = ldt.optimizer_class(cautious_momentum)
    print(f"{'optimizer':<18}{'test accuracy':>14}   resumed equals uninterrupted")
    for optimizer_class, lr in ((own, 0.05), (ldt.Lion, 0.001), (ldt.AdamW, 0.005)):
        whole, first, second = (Training(optimizer_class, lr, epochs) for _ in range(3))
        for _ in range(epochs):
            whole.epoch(*train_set)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.pt"
            for _ in range(epochs // 2):
                first.epoch(*train_set)
            first.save(path)
            second.load(path)
        for _ in range(epochs // 2, epochs):
            second.epoch(*train_set)
        weights = zip(whole.model.parameters(), second.model.parameters(), strict=True)
        is_equal = all(torch.equal(p, q) for p, q in weights)
        share = second.accuracy(*test_set)
        print(f"{optimizer_class.__name__:<18}{share:>14.1%}   {is_equal}")


if __name__ == "__main__":
    main()
