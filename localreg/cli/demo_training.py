"""What `localreg demo` trains: a softmax regression that separates points of three rings.

The points are generated, so nothing is downloaded, and everything follows from the seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CLASSES = ("inner ring", "middle ring", "outer ring")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is trained.

    Args:
        steps: steps of gradient descent, each on all points.
        learning_rate: the length of a step, in units of the gradient of the mean loss.
    """

    steps: int
    learning_rate: float = 0.5


def make_points(count: int, seed: int) -> tuple[Floats, Integers]:
    """Return random points (count, 2), and of each the number of its ring (count,)."""
    random = np.random.default_rng(seed)
    rings = random.integers(0, len(CLASSES), count)
    radius = 0.5 * (1 + rings) + random.normal(0, 0.11, count)
    angle = random.uniform(0, 2 * np.pi, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), rings


def train(
    points: Floats, rings: Integers, settings: Settings, start: Floats | None = None
) -> tuple[Floats, list[float]]:
    """Return the weights (features, classes), and the mean cross-entropy at each step in nats.

    Args:
        points, rings: as `make_points` returns them.
        settings: how to train.
        start: the weights to go on from, which stay as they are; zeros if None.
    """
    inputs = _features(points)
    weights = np.zeros((inputs.shape[1], len(CLASSES))) if start is None else start.copy()
    rows, losses = np.arange(len(rings)), []
    for _ in range(settings.steps):
        scores = inputs @ weights
        scores -= scores.max(axis=1, keepdims=True)  # so that exp() cannot overflow
        logarithms = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        losses.append(-float(logarithms[rows, rings].mean()))
        gradient = np.exp(logarithms)
        gradient[rows, rings] -= 1
        weights -= settings.learning_rate * inputs.T @ gradient / len(rings)
    return weights, losses


def predict(weights: Floats, points: Floats) -> Integers:
    """Return the likeliest ring of each of the points (count, 2)."""
    likeliest: Integers = (_features(points) @ weights).argmax(axis=1)
    return likeliest


def score(weights: Floats, points: Floats, rings: Integers) -> tuple[float, Integers]:
    """Return the share of points whose ring is predicted, and the confusion matrix.

    The matrix counts points: a row for each ring, a column for each predicted ring.
    """
    predicted = predict(weights, points)
    confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    np.add.at(confusion, (rings, predicted), 1)
    return float((predicted == rings).mean()), confusion


def save(weights: Floats, path: Path) -> None:
    """Write weights to a .npz file."""
    np.savez(path, weights=weights)


def load(path: Path) -> Floats:
    """Return the weights that `save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        weights: Floats = arrays["weights"]
    return weights


def _features(points: Floats) -> Floats:
    x, y = points.T
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
