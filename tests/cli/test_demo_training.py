"""What the demo trains: the same result for the same seed, and it learns something."""

import numpy as np
import pytest

from localreg.cli.demo_training import (
    CLASSES,
    Settings,
    load,
    make_points,
    predict,
    save,
    score,
    train,
)

SETTINGS = Settings(steps=100)


@pytest.fixture(scope="module")
def points():
    return make_points(2_000, seed=1)


@pytest.fixture(scope="module")
def others():
    return make_points(1_000, seed=2)


def accuracy(weights, labelled):
    points, rings = labelled
    return (predict(weights, points) == rings).mean()


def test_the_same_seed_gives_the_same_points_and_another_seed_others(points):
    again, other = make_points(2_000, seed=1), make_points(2_000, seed=2)
    assert all((a == b).all() for a, b in zip(points, again, strict=True))
    assert (points[0] != other[0]).all()


def test_making_points_leaves_the_global_random_state_alone():
    before = np.random.get_state(legacy=False)["state"]["key"].tobytes()
    make_points(5, seed=7)
    assert np.random.get_state(legacy=False)["state"]["key"].tobytes() == before


def test_every_ring_has_about_as_many_points(points):
    shares = np.bincount(points[1], minlength=len(CLASSES)) / len(points[1])
    assert shares == pytest.approx([1 / 3] * 3, abs=0.05)


def test_training_gives_the_same_for_the_same_points(points):
    (one, losses), (other, again) = train(*points, SETTINGS), train(*points, SETTINGS)
    assert one.tobytes() == other.tobytes()
    assert losses == again


def test_the_loss_starts_at_that_of_guessing_and_falls_at_each_step(points):
    _, losses = train(*points, SETTINGS)
    assert len(losses) == SETTINGS.steps
    assert losses[0] == pytest.approx(np.log(3))
    assert losses == sorted(losses, reverse=True)


def test_training_follows_the_gradient(points):
    """The slope of the loss along each weight, by central differences, is what a step uses."""
    few, rings = points[0][:40], points[1][:40]
    step, _ = train(few, rings, Settings(steps=1, learning_rate=1.0))
    x, y = few.T
    inputs = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)

    def loss(weights):
        scores = inputs @ weights
        return (np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(40), rings]).mean()

    for index in np.ndindex(step.shape):
        nudge = np.zeros(step.shape)
        nudge[index] = 1e-6
        assert step[index] == pytest.approx(-(loss(nudge) - loss(-nudge)) / 2e-6, abs=1e-6)


def test_more_steps_give_a_clearly_better_model(points, others):
    few, _ = train(*points, Settings(steps=10))
    many, _ = train(*points, Settings(steps=200))
    assert 0.5 < accuracy(few, others) < 0.8
    assert accuracy(many, others) > 0.95


def test_training_goes_on_from_given_weights_and_leaves_them_as_they_are(points):
    half, _ = train(*points, Settings(steps=50))
    before = half.tobytes()
    whole, losses = train(*points, Settings(steps=50), start=half)
    assert half.tobytes() == before
    in_one, all_losses = train(*points, SETTINGS)
    assert whole.tobytes() == in_one.tobytes()
    assert losses == all_losses[50:]


def test_the_score_is_the_accuracy_and_where_points_of_each_ring_went(points, others):
    weights, _ = train(*points, SETTINGS)
    share, confusion = score(weights, *others)
    assert share == accuracy(weights, others)
    assert share == np.trace(confusion) / len(others[1])
    assert confusion.sum(axis=1).tolist() == np.bincount(others[1]).tolist()
    predicted = np.bincount(predict(weights, others[0]), minlength=len(CLASSES))
    assert confusion.sum(axis=0).tolist() == predicted.tolist()


def test_shuffled_labels_cannot_be_learned(points, others):
    """So nothing but the labels tells the rings apart."""
    shuffled = np.random.default_rng(5).permutation(points[1])
    weights, _ = train(points[0], shuffled, SETTINGS)
    assert accuracy(weights, others) < 0.5


def test_scores_too_large_for_exp_give_no_overflow(points):
    """An overflow would be a warning, and warnings are errors."""
    _, losses = train(points[0] * 1e3, points[1], Settings(steps=3))
    assert np.isfinite(losses).all()


def test_saved_weights_are_loaded_bit_for_bit(points, tmp_path):
    weights, _ = train(*points, SETTINGS)
    for name in ("one.npz", "two.npz"):
        save(weights, tmp_path / name)
    assert load(tmp_path / "one.npz").tobytes() == weights.tobytes()
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_pickled_weights_are_refused(tmp_path):
    np.savez(tmp_path / "pickled.npz", weights=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load(tmp_path / "pickled.npz")


def test_a_file_without_weights_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", bias=np.zeros(1))
    with pytest.raises(KeyError, match="weights"):
        load(tmp_path / "other.npz")
