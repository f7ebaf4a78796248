"""Train a GPT-2 small on FineWeb by an entry of the third track of modded-nanogpt.

The data are the files that the benchmark's `data/cached_fineweb10B.py` downloads:

    python examples/nanogpt_track3/train.py --entry muon_h --data data/fineweb10B

`--tiny` trains a small model on drawn tokens instead, on the CPU and without data. One process
trains on one device; a minibatch is divided into parts that fit into memory.
"""

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from entries import ENTRIES, Entry
from torch import Tensor, nn
from torch.nn import functional

import learnerdsl as ld

HEADER = 256
"""Numbers of four bytes before the tokens of a file: a magic number, a version, a count, zeros."""
MAGIC, VERSION = 20240520, 1
CAP = 15.0
"""The bound of logits."""


@dataclass(frozen=True)
class Size:
    """What the benchmark fixes: model, context and minibatch."""

    vocabulary: int = 50304
    layers: int = 12
    width: int = 768
    head: int = 128
    context: int = 1024
    sequences: int = 512
    part: int = 64
    validation: int = 20 * 512


TINY = Size(64, 2, 32, 16, context=32, sequences=16, part=8, validation=32)


# The model: the transformer of the benchmark, with gains and biases.


class Norm(nn.Module):
    """Divide by the root mean square; multiply by gains."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gains = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return activations of the same shape and dtype."""
        return functional.rms_norm(x, x.shape[-1:], self.gains.to(x.dtype))


class Linear(nn.Linear):
    """A layer whose weights are kept in float32 and used in the dtype of the activations."""

    def forward(self, input: Tensor) -> Tensor:
        """Return products with the weights."""
        return functional.linear(input, self.weight.to(input.dtype), self.bias.to(input.dtype))


def rotated(x: Tensor) -> Tensor:
    """Turn pairs of features by angles that grow with the position; half of the pairs stay."""
    context, features = x.shape[1], x.shape[3]
    turning = features // 4
    speeds = (1 / 1024) ** torch.linspace(0, 1, turning, device=x.device)
    speeds = torch.cat([speeds, torch.zeros(features // 2 - turning, device=x.device)])
    angles = torch.outer(torch.arange(context, device=x.device, dtype=torch.float32), speeds)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    first, second = x.float().chunk(2, dim=-1)
    turned = first * cos + second * sin, second * cos - first * sin
    return torch.cat(turned, dim=-1).to(x.dtype)


class Attention(nn.Module):
    """Causal attention with normalized queries and keys."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.head = size.head
        self.q, self.k, self.v, self.proj = (Linear(size.width, size.width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Return what each position has read from those before it."""
        q, k, v = (f(x).unflatten(-1, (-1, self.head)) for f in (self.q, self.k, self.v))
        q, k = (rotated(functional.rms_norm(one, (self.head,))) for one in (q, k))
        q, k, v = (one.transpose(1, 2) for one in (q, k, v))
        read = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.12)
        return self.proj(read.transpose(1, 2).flatten(-2))


class Mlp(nn.Module):
    """Two layers with the square of a ReLU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc, self.proj = Linear(width, 4 * width), Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return new features of each position."""
        return self.proj(self.fc(x).relu().square())


class Block(nn.Module):
    """Attention and two layers, each added to what comes in."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.attn, self.mlp = Attention(size), Mlp(size.width)
        self.norm1, self.norm2 = Norm(size.width), Norm(size.width)

    def forward(self, x: Tensor) -> Tensor:
        """Return activations of the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Gpt(nn.Module):
    """The whole model; it returns the sum of the losses of all tokens."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.embed = nn.Embedding(size.vocabulary, size.width, dtype=torch.bfloat16)
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.proj = Linear(size.width, size.vocabulary)
        self.norm1, self.norm2 = Norm(size.width), Norm(size.width)

    def forward(self, tokens: Tensor, following: Tensor) -> Tensor:
        """Return the summed cross entropy of the following tokens."""
        x = self.norm1(self.embed(tokens))
        for block in self.blocks:
            x = block(x)
        logits = self.proj(self.norm2(x)).float()
        logits = CAP * logits * (logits.square() + CAP**2).rsqrt()
        return functional.cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="sum")


@torch.no_grad()
def initialize(model: Gpt, entry: Entry) -> None:
    """Draw the weights that an entry begins with."""
    layers = len(model.blocks)
    for name, p in model.named_parameters():
        if name.endswith("bias") or name == "proj.weight":
            p.zero_()
        elif name == "embed.weight":
            p.normal_()
        elif name.endswith("weight") and "proj" in name and entry.scales is None:
            p.zero_()
        elif name.endswith("weight"):
            scale = (entry.scales or {}).get(name.split(".", 2)[2], 1.0)
            if name.endswith("mlp.fc.weight"):
                scale *= 1 - entry.fc_ramp * int(name.split(".")[1]) / max(layers - 1, 1)
            p.normal_(std=scale * math.sqrt(0.33 / p.shape[1]))
    if entry.gain_split:
        for block in model.blocks:
            assert isinstance(block, Block)
            down, up = block.norm1.gains, block.norm2.gains
            signs = entry.gain_split * (torch.randint_like(down, 2) * 2 - 1)
            down.sub_(signs)
            up.add_(signs)


# The data: minibatches of tokens and of those that follow them.

Minibatch = tuple[Tensor, Tensor]


def tokens_of(path: Path) -> np.ndarray:
    """Return the tokens of a file."""
    header = np.fromfile(path, np.int32, HEADER)
    if len(header) < HEADER or tuple(header[:2]) != (MAGIC, VERSION):
        msg = (
            f"{path} is no file of tokens in the format of modded-nanogpt; download some by its "
            "data/cached_fineweb10B.py."
        )
        raise SystemExit(msg)
    return np.memmap(path, np.uint16, "r", offset=4 * HEADER, shape=(int(header[2]),))


def minibatches(folder: Path, kind: str, sequences: int, context: int) -> Iterator[Minibatch]:
    """Yield minibatches from all files of a kind, in order."""
    files = sorted(folder.glob(f"fineweb_{kind}_*.bin"))
    if not files:
        msg = f"{folder} has no fineweb_{kind}_*.bin; pass the folder that has them as --data."
        raise SystemExit(msg)
    count = sequences * context
    for path in files:
        tokens = tokens_of(path)
        for begin in range(0, len(tokens) - count - 1, count):
            piece = torch.from_numpy(tokens[begin : begin + count + 1].astype(np.int64))
            yield piece[:-1].view(-1, context), piece[1:].view(-1, context)


def drawn(seed: int, sequences: int, size: Size) -> Iterator[Minibatch]:
    """Yield sequences in which each token mostly says what the next one is."""
    numbers = torch.Generator().manual_seed(seed)
    while True:
        tokens = torch.randint(size.vocabulary, (sequences, size.context + 1), generator=numbers)
        is_free = torch.rand(tokens.shape, generator=numbers) < 0.1
        for k in range(1, size.context + 1):
            tokens[:, k] = torch.where(
                is_free[:, k], tokens[:, k], (5 * tokens[:, k - 1] + 3) % size.vocabulary
            )
        yield tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


# Training.


@torch.no_grad()
def validation_loss(
    model: Gpt, learner: ld.Learner, minibatch: Minibatch, part: int, device: str
) -> float:
    """Return the mean loss per token with the weights that the entry evaluates with."""
    params = dict(model.named_parameters())
    kept = {name: p.detach().clone() for name, p in params.items()}
    for name, value in learner.evaluation_parameters().items():
        params[str(name)].copy_(torch.as_tensor(value, device=device))
    total = sum(
        float(model(tokens.to(device), following.to(device)))
        for tokens, following in zip(*(one.split(part) for one in minibatch), strict=True)
    )
    for name, value in kept.items():
        params[name].copy_(value)
    return total / minibatch[1].numel()


def train(entry: Entry, size: Size, stop: int, data: Path | None, device: str, every: int) -> None:
    """Train for a number of steps, and print losses."""
    if data is None:
        training = drawn(1, size.sequences, size)
        validation = next(drawn(2, size.validation, size))
    else:
        training = minibatches(data, "train", size.sequences, size.context)
        validation = next(minibatches(data, "val", size.validation, size.context))
    model = Gpt(size).to(device)
    initialize(model, entry)
    params = dict(model.named_parameters())
    learner = entry.learner(params)  # on a GPU too, which the classes of learnerdsl.torch refuse
    if device != "cpu":
        model.compile(dynamic=False)
    began = time.perf_counter()
    for k in range(stop + 1):
        if k % every == 0 or k == stop:
            loss = validation_loss(model, learner, validation, size.part, device)
            seconds = time.perf_counter() - began
            print(f"step {k}: validation loss {loss:.4f}, {seconds:.0f} s", flush=True)
        if k == stop:
            return
        for tokens, following in zip(*(x.split(size.part) for x in next(training)), strict=True):
            model(tokens.to(device), following.to(device)).backward()
        learner.update({name: p.grad for name, p in params.items()})
        model.zero_grad()


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--entry", choices=ENTRIES, default="muon_tuned", metavar="NAME")
    parser.add_argument("--steps", type=int, help="that schedules are for; default: the entry's")
    parser.add_argument("--stop", type=int, help="the last step; default: all of them")
    parser.add_argument("--data", type=Path, help="folder of fineweb_train_*.bin and fineweb_val_*")
    parser.add_argument("--tiny", action="store_true", help="a small model and drawn tokens")
    parser.add_argument("--every", type=int, default=125, help="steps between validations")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.data is None and not given.tiny:
        parser.error("pass --data FOLDER, or --tiny to train without data.")
    torch.manual_seed(given.seed)
    make = ENTRIES[given.entry]
    entry = make(given.steps) if given.steps else make()
    device = "cuda" if torch.cuda.is_available() and not given.tiny else "cpu"
    stop = min(given.stop or entry.steps, entry.steps)
    data = None if given.tiny else given.data
    train(entry, TINY if given.tiny else Size(), stop, data, device, given.every)


if __name__ == "__main__":
    main()
