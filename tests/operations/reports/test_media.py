"""Reported pictures and other files."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from localreg import Task
from localreg.errors import InvalidValueError
from localreg.operations.reports import charts


def picture(subject, title):
    """Return the bytes that were kept under a title, and the file name they have."""
    _, registry, owner = subject._owned()
    with registry.store.read() as connection:
        groups = charts.figure_rows(connection, owner)
        (row,) = (group.rows[-1] for group in groups if group.title == title)
    name = json.loads(row.spec)["options"]["filename"]
    return registry.blobs.blob(row.digest).read_bytes(), name


@pytest.mark.parametrize(
    ("shape", "mode"), [((4, 6), "L"), ((4, 6, 1), "L"), ((4, 6, 3), "RGB"), ((4, 6, 4), "RGBA")]
)
def test_an_array_becomes_a_png(shape, mode, task):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(256, size=shape).astype("u1")
    task.get_logger().report_image("i", "s", 1, image=pixels)
    data, name = picture(task, "i")
    assert name == "image.png"
    found = image.open(io.BytesIO(data))
    assert found.mode == mode
    assert np.array_equal(np.asarray(found), pixels.reshape(np.asarray(found).shape))
    task.get_logger().report_image("f", "s", 1, matrix=pixels / 255)
    assert picture(task, "f")[0] == data
    task.get_logger().report_image("pil", "s", 1, image=found)
    assert picture(task, "pil")[0] == data


def test_files_and_streams_are_stored(task, tmp_path):
    path = tmp_path / "a picture.jpg"
    path.write_bytes(b"jpeg")
    logger = task.get_logger()
    logger.report_image("i", "s", local_path=path)
    assert picture(task, "i") == (b"jpeg", "a picture.jpg")
    logger.report_media("u", "s", url=path.as_uri())
    assert picture(task, "u") == (b"jpeg", "a picture.jpg")
    logger.report_media("m", "s", stream=io.BytesIO(b"sound"), file_extension=".wav")
    assert picture(task, "m") == (b"sound", "media.wav")
    logger.report_media("t", "s", stream=io.StringIO("<p>text"), file_extension="html")
    assert picture(task, "t") == (b"<p>text", "media.html")
    assert path.exists()
    logger.report_image("gone", "s", local_path=path, delete_after_upload=True)
    assert not path.exists()


def test_max_image_history_limits_the_iterations_of_a_picture(task):
    for iteration in range(5):
        task.get_logger().report_image(
            "i", "s", iteration, image=np.full((2, 2), iteration), max_image_history=2
        )
    _, registry, owner = task._owned()
    with registry.store.read() as connection:
        assert [each.iteration for each in charts.figure_rows(connection, owner)] == [3, 4]


def test_gc_keeps_reported_files(task, registry):
    task.get_logger().report_image("i", "s", image=np.zeros((2, 2)))
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    picture(task, "i")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "exactly one"),
        ({"image": [[1]], "local_path": "x"}, "exactly one"),
        ({"image": np.zeros((2, 2, 2))}, r"image.*\(2, 2, 2\)"),
        ({"image": "x"}, "image"),
        ({"local_path": 5}, "local_path"),
    ],
)
def test_anything_but_one_picture_is_refused(given, named, task):
    with pytest.raises(InvalidValueError, match=named):
        task.get_logger().report_image("i", "s", **given)


def test_a_matplotlib_figure_becomes_a_picture(task):
    class Drawn:
        def savefig(self, into, **options):
            into.write(f"drawn as {options['format']}".encode())

    class Pyplot:
        def gcf(self):
            return Drawn()

    for title, given in (("figure", Drawn()), ("pyplot", Pyplot())):
        task.get_logger().report_matplotlib_figure(title, "s", given)
        assert picture(task, title) == (b"drawn as png", "figure.png")
    with pytest.raises(InvalidValueError, match="figure must be a matplotlib figure"):
        task.get_logger().report_matplotlib_figure("x", "s", 5)


def test_a_mask_is_black_and_white_and_a_4k_picture_is_accepted(task):
    image = pytest.importorskip("PIL.Image")
    task.get_logger().report_image("mask", "s", image=np.array([[True, False]]))
    found = image.open(io.BytesIO(picture(task, "mask")[0]))
    assert np.asarray(found).tolist() == [[255, 0]]
    task.get_logger().report_image("4K", "s", image=np.zeros((2_160, 3_840, 3), "u1"))
    assert image.open(io.BytesIO(picture(task, "4K")[0])).size == (3_840, 2_160)


@pytest.mark.parametrize("given", ["abc", 0.5, 0, True])
def test_a_history_must_be_a_whole_number(given, task):
    logger = task.get_logger()
    with pytest.raises(InvalidValueError, match="max_image_history"):
        logger.report_image("i", "s", image=[[1]], max_image_history=given)
    with pytest.raises(InvalidValueError, match="max_history"):
        logger.report_media("i", "s", stream=io.BytesIO(b"x"), max_history=given)


def test_a_history_of_pictures_keeps_other_plots_and_may_be_unlimited(task):
    logger = task.get_logger()
    logger.report_matrix("i", "s", [[1]], iteration=0)
    for iteration in (1, 2, 3):
        logger.report_image("i", "s", iteration, image=[[1]], max_image_history=-1)
    _, registry, owner = task._owned()

    def iterations():
        with registry.store.read() as connection:
            return [each.iteration for each in charts.figure_rows(connection, owner)]

    assert iterations() == [0, 1, 2, 3]
    logger.report_image("i", "s", 4, image=[[1]], max_image_history=2**80)
    logger.report_image("i", "s", 5, image=[[1]], max_image_history=2)
    assert iterations() == [0, 4, 5]


def test_a_folder_is_refused_as_media(task, tmp_path):
    with pytest.raises(InvalidValueError, match="local_path must be a plain file"):
        task.get_logger().report_media("m", "s", local_path=tmp_path)


@pytest.mark.parametrize("call", ["report_image", "report_media"])
def test_a_url_of_the_web_is_recorded_as_a_link(task, site, call):
    """Nothing is downloaded, neither when it is reported nor by the page."""
    url = site.url("/net.pt")
    getattr(task.get_logger(), call)("i", "s", 1, url=url)
    getattr(task.get_logger(), call)("j", "s", 1, url="https://me:secret@127.0.0.1:1/a?b=secret")
    getattr(task.get_logger(), call)("k", "s", 1, url="s3://bucket/x.png?signature=secret")
    page = task.report(standalone=True).read_text()
    assert "net.pt (elsewhere)" in page
    assert "x.png (elsewhere)" in page
    assert "secret" not in page
    assert site.gets == []
    assert page.count('"kind":"file"') + page.count('"kind": "file"') == 3


def test_a_page_shows_short_texts_and_links_long_ones(task):
    logger = task.get_logger()
    texts = {"short": "epoch 1\nis <done>", "long": "x" * 5_000, "url": "s3://me:secret@bucket/a"}
    for title, text in texts.items():
        logger.report_media(title, "s", stream=io.StringIO(text))
    logger.report_media("bytes", "s", stream=io.BytesIO(b"\xff"), file_extension=".txt")
    logger.report_media("html", "s", stream=io.StringIO("<p>"), file_extension=".html")
    _, registry, owner = task._owned()
    found = charts.reported_values(registry, owner, lambda *_: "a link")
    notes = {plot.title: plot.steps[0].note for plot in found.plots}
    assert notes == {
        "short": texts["short"], "long": None, "bytes": None, "html": None, "url": "s3://***@bucket/a",
    }  # fmt: skip
    registry.blobs.blob(digest_of(task, "short")).unlink()
    found = charts.reported_values(registry, owner, lambda *_: "a link")
    assert {plot.title: plot.steps[0].note for plot in found.plots}["short"] is None


def digest_of(subject, title):
    _, registry, owner = subject._owned()
    with registry.store.read() as connection:
        groups = charts.figure_rows(connection, owner)
        (row,) = (group.rows[-1] for group in groups if group.title == title)
    return row.digest


def test_what_the_machine_did_is_the_last_chart(task):
    for title in ("~ the end", ":monitor:machine", ":monitor:gpu", "a"):
        task.get_logger().report_scalar(title, "s", 1, 1)
    task.flush()
    _, registry, owner = task._owned()
    found = charts.reported_values(registry, owner, lambda *_: "")
    assert [chart.title for chart in found.charts] == [
        "a", "~ the end", ":monitor:gpu", ":monitor:machine",
    ]  # fmt: skip


def test_a_link_that_is_no_url_is_refused(registry):
    logger = Task.create("p", "t").get_logger()
    for report in (logger.report_image, logger.report_media):
        with pytest.raises(InvalidValueError, match="url is not a URL that can be used"):
            report("a", "b", 0, url="http://[x")
