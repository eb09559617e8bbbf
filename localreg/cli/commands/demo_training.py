"""What `localreg demo` trains: a small network that reads handwritten-looking digits.

The module knows nothing of the registry. Three decisions bind it:

- The images are drawn here, from the strokes in `_GLYPHS`, so nothing is downloaded and no
  foreign data is shipped. Every image gets its own slant, size, place, pen, wobble and grain;
  a different seed gives different images, and only what is common to a digit can be learned.
- numpy only. Pixels and weights are float32: exact enough here, and half the time and bytes.
- Everything follows from the seeds given; there is no global random state. Two runs on one
  machine agree bit for bit; another machine may round a product differently in the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]

SIDE = 12
"""Width and height of an image, in pixels."""

PIXELS = SIDE * SIDE
CLASSES = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is trained; `dataclasses.asdict` gives it as a configuration.

    Args:
        hidden: units in the hidden layer.
        epochs: passes over the training images.
        learning_rate: the length of a step, in units of the mean gradient of a batch.
        batch_size: images per step.
        momentum: how much of the last step is kept for the next, from 0 to below 1.
        seed: starts the random weights and the order of the images.
    """

    hidden: int
    epochs: int
    learning_rate: float
    batch_size: int = 50
    momentum: float = 0.9
    seed: int = 0


TRAINING_COUNT = 8_000
TRAINING_SEED = 1
HELD_OUT_COUNT = 2_000
HELD_OUT_SEED = 2

FIRST_SETTINGS = Settings(hidden=10, epochs=3, learning_rate=0.01)
"""A hasty first version: too few units, too few epochs, too small steps."""

SECOND_SETTINGS = Settings(hidden=128, epochs=15, learning_rate=0.05)
"""The better second version."""


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """Images and what they show.

    Args:
        images: float32 (count, PIXELS), row by row from the top; 0 is paper, 1 is ink.
        labels: int64 (count,), the digit each image shows.
    """

    images: Floats
    labels: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A layer of rectified linear units, and a softmax over the ten digits.

    Args:
        hidden_weights: float32 (PIXELS, hidden).
        hidden_bias: float32 (hidden,).
        output_weights: float32 (hidden, CLASSES).
        output_bias: float32 (CLASSES,).
    """

    hidden_weights: Floats
    hidden_bias: Floats
    output_weights: Floats
    output_bias: Floats

    def activations(self, images: Floats) -> Floats:
        """Return what the hidden units answer, (count, hidden), to images (count, PIXELS)."""
        sums: Floats = images @ self.hidden_weights + self.hidden_bias
        return np.maximum(sums, 0)

    def logits(self, images: Floats) -> Floats:
        """Return scores (count, CLASSES); their softmax is the probability of each digit."""
        return self.activations(images) @ self.output_weights + self.output_bias

    def predict(self, images: Floats) -> Integers:
        """Return the likeliest digit, int64 (count,), of each of the images (count, PIXELS)."""
        likeliest: Integers = self.logits(images).argmax(axis=1)
        return likeliest

    def save(self, path: str | Path) -> None:
        """Write the weights to the .npz file `path`; equal weights give equal bytes."""
        # An open file, because given a name np.savez would add a suffix it misses.
        with open(path, "wb") as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Return the network that `save` wrote to `path`.

        Raises:
            OSError: the file cannot be read.
            KeyError: it lacks an array of a network.
            ValueError: it holds pickled objects; they are not run.
        """
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True, eq=False)
class EpochResult:
    """Where training stands after an epoch.

    Args:
        epoch: counted from 1.
        loss: the mean cross-entropy of the epoch's images, in nats, each taken before the step
            that learned from it.
        network: the network as it is now; later epochs do not change it.
    """

    epoch: int
    loss: float
    network: Network


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """A trained network, and the loss of each epoch in nats, the first epoch first."""

    network: Network
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Arc:
    """A piece of an ellipse; degrees run clockwise on the page, from 0 at the right."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    start: float
    stop: float


_Stroke: TypeAlias = tuple[tuple[float, float] | _Arc, ...]

# (digit, strokes): each stroke is one movement of the pen through points (x, y) and arcs, in a
# unit square whose y axis points down. Some digits are written in two ways, as people do.
_GLYPHS: tuple[tuple[int, tuple[_Stroke, ...]], ...] = (
    (0, ((_Arc(0.5, 0.5, 0.30, 0.45, -90, 270),),)),
    (1, (((0.54, 0.05), (0.54, 0.95)),)),
    (1, (((0.30, 0.30), (0.56, 0.05), (0.56, 0.95)),)),
    (2, ((_Arc(0.49, 0.30, 0.29, 0.25, 190, 395), (0.20, 0.95), (0.82, 0.95)),)),
    (3, ((_Arc(0.46, 0.27, 0.27, 0.22, 205, 445), _Arc(0.46, 0.72, 0.31, 0.23, -85, 155)),)),
    (4, (((0.64, 0.05), (0.17, 0.66), (0.88, 0.66)), ((0.64, 0.05), (0.64, 0.95)))),
    (4, (((0.27, 0.05), (0.20, 0.54), (0.80, 0.54)), ((0.70, 0.05), (0.66, 0.95)))),
    (5, (((0.78, 0.05), (0.30, 0.05), (0.25, 0.46), _Arc(0.47, 0.67, 0.32, 0.28, 230, 510)),)),
    (6, ((_Arc(0.80, 0.69, 0.58, 0.64, 260, 180), _Arc(0.50, 0.69, 0.28, 0.26, 180, 540)),)),
    (7, (((0.20, 0.06), (0.80, 0.06), (0.40, 0.95)),)),
    (7, (((0.20, 0.06), (0.80, 0.06), (0.42, 0.95)), ((0.34, 0.50), (0.80, 0.50)))),
    (8, ((_Arc(0.5, 0.27, 0.24, 0.22, 90, 450), _Arc(0.5, 0.72, 0.29, 0.23, -90, 270)),)),
    (9, ((_Arc(0.48, 0.30, 0.27, 0.25, 0, 360), (0.72, 0.95)),)),
    (9, ((_Arc(0.50, 0.31, 0.28, 0.26, 0, 360), _Arc(0.20, 0.31, 0.58, 0.64, 0, 80)),)),
)

# So many that even on the longest glyph, the 8, they lie about half a pixel apart and merge.
_DOTS = 64


def _path(stroke: _Stroke) -> npt.NDArray[np.float64]:
    """Return the corners (count, 2) of the polyline that stands for `stroke`."""
    pieces = []
    for piece in stroke:
        if isinstance(piece, _Arc):
            angles = np.radians(np.linspace(piece.start, piece.stop, 24))
            x = piece.x + piece.radius_x * np.cos(angles)
            y = piece.y + piece.radius_y * np.sin(angles)
            pieces.append(np.stack([x, y], axis=1))
        else:
            pieces.append(np.array([piece]))
    return np.concatenate(pieces)


def _dots(strokes: tuple[_Stroke, ...]) -> Floats:
    """Return _DOTS points (_DOTS, 2), evenly spaced along the strokes of a glyph."""
    paths = [_path(stroke) for stroke in strokes]
    corners = np.concatenate(paths)
    steps = np.hypot(*np.diff(corners, axis=0).T)
    # From the end of one stroke to the start of the next the pen is lifted: no ink, no length.
    steps[np.cumsum([len(path) for path in paths])[:-1] - 1] = 0
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0, travelled[-1], _DOTS)
    axes = [np.interp(wanted, travelled, corners[:, axis]) for axis in (0, 1)]
    return np.stack(axes, axis=1).astype(np.float32)


def make_digits(count: int, seed: int) -> Digits:
    """Draw `count` digits, each of the ten equally likely.

    Args:
        count: how many.
        seed: the same seed and count give the same images; another seed gives others.

    >>> digits = make_digits(3, seed=1)
    >>> digits.images.shape, digits.labels.shape
    ((3, 144), (3,))
    """
    random = np.random.default_rng(seed)
    labels = random.integers(CLASSES, size=count)
    dots = _distort(_choose_glyphs(labels, random), random)
    half_widths = random.uniform(0.045, 0.085, size=count).astype(np.float32)
    ink = _ink(dots, half_widths)
    pressure = random.uniform(0.7, 1.0, size=(count, 1))
    grain = random.normal(0, 0.1, size=ink.shape)
    images = np.clip(ink * pressure + grain, 0, 1).astype(np.float32)
    return Digits(images, labels)


def _choose_glyphs(labels: Integers, random: np.random.Generator) -> Floats:
    """Return the dots (count, _DOTS, 2) of one of the ways to write each label."""
    digits = np.array([digit for digit, _ in _GLYPHS])
    ways = np.bincount(digits, minlength=CLASSES)
    first = np.searchsorted(digits, np.arange(CLASSES))
    chosen = first[labels] + random.integers(ways[labels])
    chosen_dots: Floats = np.stack([_dots(strokes) for _, strokes in _GLYPHS])[chosen]
    return chosen_dots


def _distort(dots: Floats, random: np.random.Generator) -> Floats:
    """Return the dots (count, _DOTS, 2) of each image in a handwriting of its own."""
    count = len(dots)
    # Sine waves across the page bend the strokes. A dot moves by where it lies, so that strokes
    # that touch stay together.
    waves = random.normal(0, 0.8, size=(count, 2, 2))
    phases = random.uniform(0, 1, size=(count, 1, 2))
    bent = dots + 0.05 * np.sin(2 * np.pi * (dots @ waves + phases))

    angle = random.normal(0, np.radians(9), size=count)
    slant = random.normal(0, 0.18, size=count)
    width = random.uniform(0.58, 0.85, size=count)
    height = random.uniform(0.68, 0.90, size=count)
    cosine, sine = np.cos(angle), np.sin(angle)
    # The rows are where the glyph's x axis and y axis go: scaled, slanted, then rotated.
    along_x = np.stack([width * cosine, width * sine], axis=1)
    along_y = height[:, None] * np.stack([-slant * cosine - sine, cosine - slant * sine], axis=1)
    axes = np.stack([along_x, along_y], axis=1)
    shift = random.normal(0, 0.032, size=(count, 1, 2))
    placed: Floats = ((bent - 0.5) @ axes + 0.5 + shift).astype(np.float32)
    return placed


def _ink(dots: Floats, half_widths: Floats) -> Floats:
    """Return how dark each pixel is, (count, PIXELS) from 0 to 1.

    Args:
        dots: (count, _DOTS, 2), x and y as fractions of the image's side.
        half_widths: (count,), half the width of the pen, in the same unit.
    """
    centres = ((np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    distances = np.empty((len(dots), SIDE, SIDE), dtype=np.float32)
    # A few images at a time: the table of every dot's distance to every pixel stays in the
    # processor's cache, where all images at once would take 300 MB.
    for start in range(0, len(dots), 16):
        part = slice(start, start + 16)
        squares = (dots[part, :, :, None] - centres) ** 2
        columns, rows = squares[:, :, 0, None, :], squares[:, :, 1, :, None]
        distances[part] = np.sqrt((rows + columns).min(axis=1))
    # The edge of a stroke fades over one pixel.
    ink: Floats = np.clip((half_widths[:, None, None] - distances) * SIDE + 0.5, 0, 1)
    return ink.reshape(len(dots), PIXELS)


def draw(images: Floats) -> str:
    """Return images (count, PIXELS) side by side as text, SIDE columns and SIDE / 2 lines each.

    A character shows two pixels, one above the other; lines end where their ink ends.
    """
    # Relative to the darkest ink, as some pens press lightly; below half of it, as a thin stroke
    # between two pixels darkens neither much.
    black = images > 0.4 * images.max(axis=1, keepdims=True)
    grids = black.reshape(len(images), SIDE // 2, 2, SIDE).astype(int)
    shapes = np.array(list(" ▀▄█"))[grids[:, :, 0] + 2 * grids[:, :, 1]]
    lines = (" ".join("".join(row) for row in line) for line in shapes.swapaxes(0, 1))
    return "\n".join(line.rstrip() for line in lines)


def train(
    digits: Digits, settings: Settings, on_epoch: Callable[[EpochResult], None] | None = None
) -> Training:
    """Train a new network by stochastic gradient descent with momentum.

    Args:
        digits: the images to learn from, and their labels.
        settings: how.
        on_epoch: called after each epoch.
    """
    random = np.random.default_rng(settings.seed)
    network = _random_network(settings.hidden, random)
    velocity = tuple(np.zeros_like(weights) for weights in _weights(network))
    count = len(digits.labels)
    losses: list[float] = []
    for epoch in range(1, settings.epochs + 1):
        order = random.permutation(count)
        total = 0.0
        for start in range(0, count, settings.batch_size):
            batch = order[start : start + settings.batch_size]
            loss, gradient = _loss_and_gradient(network, digits.images[batch], digits.labels[batch])
            total += loss * len(batch)
            velocity = tuple(
                settings.momentum * old - settings.learning_rate * slope
                for old, slope in zip(velocity, gradient, strict=True)
            )
            # A new network, not the old one changed: those given to on_epoch stay as they were.
            moved = (w + v for w, v in zip(_weights(network), velocity, strict=True))
            network = Network(*moved)
        losses.append(total / count)
        if on_epoch is not None:
            on_epoch(EpochResult(epoch, losses[-1], network))
    return Training(network, tuple(losses))


def _weights(network: Network) -> tuple[Floats, ...]:
    """Return the arrays of `network` in the order of its fields."""
    # Not dataclasses.astuple, which copies every array.
    return tuple(getattr(network, field.name) for field in fields(network))


def _random_network(hidden: int, random: np.random.Generator) -> Network:
    """Return an untrained network; He's variances keep the signal's size through the layers."""
    into_hidden = random.normal(0, np.sqrt(2 / PIXELS), (PIXELS, hidden)).astype(np.float32)
    into_output = random.normal(0, np.sqrt(2 / hidden), (hidden, CLASSES)).astype(np.float32)
    hidden_bias, output_bias = np.zeros(hidden, np.float32), np.zeros(CLASSES, np.float32)
    return Network(into_hidden, hidden_bias, into_output, output_bias)


def _loss_and_gradient(
    network: Network, images: Floats, labels: Integers
) -> tuple[float, tuple[Floats, ...]]:
    """Return the mean cross-entropy of a batch in nats, and its gradient as `_weights` orders it.

    Args:
        network: where the gradient is taken.
        images: (batch, PIXELS).
        labels: (batch,).
    """
    rows = np.arange(len(labels))
    hidden = network.activations(images)
    logits = hidden @ network.output_weights + network.output_bias
    # Less the largest, so that exp() cannot overflow; softmax does not see the difference.
    logits -= logits.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss = -float(log_probabilities[rows, labels].mean())

    to_logits = np.exp(log_probabilities)
    to_logits[rows, labels] -= 1
    to_logits /= len(labels)
    # Units at zero pass nothing back.
    to_hidden = (to_logits @ network.output_weights.T) * (hidden > 0)
    return loss, (
        images.T @ to_hidden,
        to_hidden.sum(axis=0),
        hidden.T @ to_logits,
        to_logits.sum(axis=0),
    )


def accuracy(network: Network, digits: Digits) -> float:
    """Return the share of the images that `network` reads right, from 0 to 1."""
    return float((network.predict(digits.images) == digits.labels).mean())


def confusion(network: Network, digits: Digits) -> Integers:
    """Return how often each digit was read as each: int64 (CLASSES, CLASSES).

    Rows are the true digits, columns the predicted ones; the sum is the number of images.
    """
    pairs = digits.labels * CLASSES + network.predict(digits.images)
    return np.bincount(pairs, minlength=CLASSES * CLASSES).reshape(CLASSES, CLASSES)
