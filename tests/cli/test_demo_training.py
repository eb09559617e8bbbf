"""The demo's digits can be read, have to be learned, and are the same for the same seed."""

import io
from dataclasses import asdict, replace

import numpy as np
import pytest

from localreg.cli.commands.demo_training import (
    CLASSES,
    FIRST_SETTINGS,
    HELD_OUT_COUNT,
    HELD_OUT_SEED,
    PIXELS,
    SECOND_SETTINGS,
    SIDE,
    TRAINING_COUNT,
    TRAINING_SEED,
    Digits,
    EpochResult,
    Network,
    Settings,
    Training,
    accuracy,
    confusion,
    draw,
    make_digits,
    train,
)

QUICK = Settings(hidden=12, epochs=3, learning_rate=0.02)


@pytest.fixture(scope="module")
def training_digits() -> Digits:
    return make_digits(TRAINING_COUNT, TRAINING_SEED)


@pytest.fixture(scope="module")
def held_out_digits() -> Digits:
    return make_digits(HELD_OUT_COUNT, HELD_OUT_SEED)


@pytest.fixture(scope="module")
def first(training_digits: Digits) -> Training:
    return train(training_digits, FIRST_SETTINGS)


@pytest.fixture(scope="module")
def second(training_digits: Digits) -> Training:
    return train(training_digits, SECOND_SETTINGS)


def weights(network: Network) -> list[bytes]:
    return [
        array.tobytes()
        for array in (
            network.hidden_weights,
            network.hidden_bias,
            network.output_weights,
            network.output_bias,
        )
    ]


class TestDigits:
    def test_have_the_documented_shapes_types_and_range(self, training_digits):
        assert training_digits.images.shape == (TRAINING_COUNT, PIXELS)
        assert training_digits.images.dtype == np.float32
        assert training_digits.images.min() == 0
        assert training_digits.images.max() == 1
        assert training_digits.labels.shape == (TRAINING_COUNT,)
        assert training_digits.labels.dtype == np.int64

    def test_show_each_digit_about_equally_often(self, training_digits):
        counts = np.bincount(training_digits.labels)
        assert len(counts) == CLASSES
        assert counts.min() > 0.08 * TRAINING_COUNT
        assert counts.max() < 0.12 * TRAINING_COUNT

    def test_are_the_same_for_the_same_seed(self):
        one, other = make_digits(50, seed=7), make_digits(50, seed=7)
        assert one.images.tobytes() == other.images.tobytes()
        assert one.labels.tobytes() == other.labels.tobytes()

    def test_do_not_touch_the_global_random_state(self):
        before = np.random.get_state(legacy=False)["state"]["key"].tobytes()
        make_digits(5, seed=7)
        assert np.random.get_state(legacy=False)["state"]["key"].tobytes() == before

    def test_never_repeat_an_image(self, training_digits, held_out_digits):
        """Held-out accuracy would mean little if an image had been learned by heart."""
        images = np.concatenate([training_digits.images, held_out_digits.images])
        assert len({image.tobytes() for image in images}) == len(images)

    @pytest.mark.parametrize("count", [0, 1, 16, 17])
    def test_come_in_any_number(self, count):
        """Rendering goes by blocks of 16 images; none is lost at the edge of one."""
        digits = make_digits(count, seed=3)
        assert digits.images.shape == (count, PIXELS)
        # Grain alone is 0.1 strong; only ink is this dark.
        assert (digits.images.max(axis=1, initial=0) > 0.6).all()

    def test_lie_inside_the_image(self, training_digits):
        """The mean ink of the frame's outermost pixels is a fraction of that of the middle."""
        mean = training_digits.images.mean(axis=0).reshape(SIDE, SIDE)
        edge = np.concatenate([mean[0], mean[-1], mean[:, 0], mean[:, -1]]).mean()
        assert edge < 0.4 * mean[3:-3, 3:-3].mean()


class TestDraw:
    def test_shows_two_pixels_in_a_character(self):
        image = np.zeros((SIDE, SIDE), dtype=np.float32)
        image[0, 0] = image[1, 1] = image[0, 2] = image[1, 2] = 0.7
        assert draw(image.reshape(1, PIXELS)) == "▀▄█" + "\n" * (SIDE // 2 - 1)

    def test_puts_images_side_by_side(self):
        ink = np.ones((2, PIXELS), dtype=np.float32)
        lines = draw(ink).split("\n")
        assert lines == ["█" * SIDE + " " + "█" * SIDE] * (SIDE // 2)

    def test_shows_a_blank_image_as_nothing(self):
        assert draw(np.zeros((1, PIXELS), dtype=np.float32)).strip() == ""


class TestTraining:
    def test_is_the_same_for_the_same_seed(self, held_out_digits):
        one, other = (train(held_out_digits, QUICK) for _ in range(2))
        assert weights(one.network) == weights(other.network)
        assert one.losses == other.losses

    def test_differs_for_another_seed(self, held_out_digits):
        one = train(held_out_digits, QUICK)
        other = train(held_out_digits, replace(QUICK, seed=1))
        assert weights(one.network) != weights(other.network)

    def test_lowers_the_loss(self, first, second):
        assert len(first.losses) == FIRST_SETTINGS.epochs
        assert len(second.losses) == SECOND_SETTINGS.epochs
        assert first.losses[-1] < 0.5 * first.losses[0]
        assert second.losses[-1] < 0.1 * second.losses[0]
        assert first.losses[-1] < 0.5 * np.log(CLASSES)  # half of what guessing costs

    def test_reports_each_epoch_and_leaves_its_network_alone(self, held_out_digits):
        results: list[EpochResult] = []
        seen: list[list[bytes]] = []

        def note(result: EpochResult) -> None:
            results.append(result)
            seen.append(weights(result.network))

        training = train(held_out_digits, QUICK, on_epoch=note)

        assert [result.epoch for result in results] == [1, 2, 3]
        assert tuple(result.loss for result in results) == training.losses
        assert [weights(result.network) for result in results] == seen
        assert results[-1].network is training.network

    def test_follows_the_gradient(self, held_out_digits):
        """One full-batch step changes each array by -rate times the slope of the mean loss."""
        digits = Digits(held_out_digits.images[:40], held_out_digits.labels[:40])
        rate = 1e-2
        one_batch = Settings(hidden=6, epochs=2, learning_rate=rate, batch_size=40, momentum=0)
        steps: list[Network] = []
        train(digits, one_batch, on_epoch=lambda result: steps.append(result.network))
        before, after = steps
        for name in ("hidden_weights", "hidden_bias", "output_weights", "output_bias"):
            taken = getattr(after, name).astype(np.float64) - getattr(before, name)
            assert taken == pytest.approx(-rate * numeric_slope(before, name, digits), abs=1e-6)

    def test_takes_a_last_batch_that_is_smaller(self):
        training = train(make_digits(53, seed=4), replace(QUICK, batch_size=25))
        assert np.isfinite(training.losses).all()

    def test_survives_scores_whose_exponential_is_no_float(self):
        """Overflow would be a warning, hence an error here."""
        digits = make_digits(50, seed=4)
        glaring = Digits(digits.images * np.float32(1e4), digits.labels)
        training = train(glaring, replace(QUICK, epochs=1, learning_rate=0))
        assert np.abs(training.network.logits(glaring.images)).max() > 1_000
        assert np.isfinite(training.losses).all()


def mean_loss(network: Network, digits: Digits) -> float:
    images = digits.images.astype(np.float64)
    logits = network.logits(images)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return float((log_sums - logits[np.arange(len(logits)), digits.labels]).mean())


def numeric_slope(network: Network, name: str, digits: Digits) -> np.ndarray:
    """The slope of the mean loss along every weight of one array, by central differences."""
    exact = {key: value.astype(np.float64) for key, value in asdict(network).items()}
    slope = np.empty_like(exact[name])
    for index in np.ndindex(slope.shape):
        losses = []
        for nudge in (1e-6, -1e-6):
            nudged = exact[name].copy()
            nudged[index] += nudge
            losses.append(mean_loss(Network(**{**exact, name: nudged}), digits))
        slope[index] = (losses[0] - losses[1]) / 2e-6
    return slope


class TestAccuracy:
    def test_of_the_first_version_is_middling(self, first, held_out_digits):
        assert 0.75 < accuracy(first.network, held_out_digits) < 0.95

    def test_of_the_second_version_is_high_and_clearly_higher(self, first, second, held_out_digits):
        better = accuracy(second.network, held_out_digits)
        assert better > 0.96
        assert better > accuracy(first.network, held_out_digits) + 0.03

    def test_is_chance_when_the_labels_are_shuffled(self, training_digits, held_out_digits):
        """Nothing but the labels tells the digits apart: no leak from training to held-out."""
        shuffled = np.random.default_rng(5).permutation(training_digits.labels)
        training = train(Digits(training_digits.images, shuffled), SECOND_SETTINGS)
        assert 0.05 < accuracy(training.network, held_out_digits) < 0.15

    def test_is_the_share_on_the_diagonal_of_the_confusion(self, first, held_out_digits):
        table = confusion(first.network, held_out_digits)
        assert table.shape == (CLASSES, CLASSES)
        assert table.dtype == np.int64
        assert table.sum(axis=1).tolist() == np.bincount(held_out_digits.labels).tolist()
        share = table.trace() / HELD_OUT_COUNT
        assert share == pytest.approx(accuracy(first.network, held_out_digits))

    def test_confusion_has_true_digits_in_rows(self):
        """A network that always answers 3 fills column 3."""
        always_three = Network(
            np.zeros((PIXELS, 1), dtype=np.float32),
            np.zeros(1, dtype=np.float32),
            np.zeros((1, CLASSES), dtype=np.float32),
            np.eye(CLASSES, dtype=np.float32)[3],
        )
        digits = make_digits(30, seed=6)
        table = confusion(always_three, digits)
        assert table[:, 3].tolist() == np.bincount(digits.labels, minlength=CLASSES).tolist()
        assert table.sum() == table[:, 3].sum()


class TestSavedNetwork:
    def test_predicts_the_same_bit_for_bit(self, second, held_out_digits, tmp_path):
        path = tmp_path / "digits.npz"
        second.network.save(path)
        loaded = Network.load(path)
        images = held_out_digits.images
        assert loaded.logits(images).tobytes() == second.network.logits(images).tobytes()
        assert weights(loaded) == weights(second.network)

    def test_has_the_name_it_was_given(self, first, tmp_path):
        first.network.save(tmp_path / "weights.bin")
        assert [path.name for path in tmp_path.iterdir()] == ["weights.bin"]

    def test_has_equal_bytes_for_equal_weights(self, first, tmp_path):
        """A store that keeps files by their digest keeps an unchanged network once."""
        first.network.save(tmp_path / "one.npz")
        Network.load(tmp_path / "one.npz").save(tmp_path / "two.npz")
        assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()

    def test_is_not_loaded_from_pickles(self, tmp_path):
        buffer = io.BytesIO()
        np.savez(buffer, hidden_weights=np.array([{}], dtype=object))
        (tmp_path / "pickled.npz").write_bytes(buffer.getvalue())
        with pytest.raises(ValueError, match="allow_pickle=False"):
            Network.load(tmp_path / "pickled.npz")

    def test_is_not_loaded_from_a_file_without_its_arrays(self, tmp_path):
        np.savez(tmp_path / "other.npz", hidden_weights=np.zeros(1))
        with pytest.raises(KeyError, match="hidden_bias"):
            Network.load(tmp_path / "other.npz")
