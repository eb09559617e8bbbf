"""A file that is useless without others says so, with the command that keeps them together."""

from __future__ import annotations

import pytest

from localreg.blobs.headers.neighbours import neighbours

NUMBERED = "m-0000{}-of-00003.safetensors"


@pytest.fixture
def made(tmp_path):
    def made(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        return neighbours(tmp_path / names[0])

    return made


@pytest.mark.parametrize(
    "name", ["a.pt", "m.safetensors", "a.xml", "a.onnx", "a.index", "m-of-3.bin", "a.index.json"]
)
def test_a_file_that_stands_alone_needs_none(name, made):
    assert made(name, "other.bin") is None


def test_numbered_parts_are_named(made, tmp_path):
    found = made(*(NUMBERED.format(number) for number in (2, 1, 3)))
    assert (found.beside, found.absent) == ((NUMBERED.format(1), NUMBERED.format(3)), ())
    assert found.text == (
        f"{NUMBERED.format(2)} needs {NUMBERED.format(1)}, {NUMBERED.format(3)}: `localreg add "
        f"{' '.join(str(tmp_path / NUMBERED.format(number)) for number in (2, 1, 3))} -n NAME` "
        "keeps them together"
    )


def test_many_parts_are_taken_by_their_folder(made, tmp_path):
    found = made(*(f"m-0000{number}-of-00009.gguf" for number in range(1, 10)))
    assert found.text == (
        "m-00001-of-00009.gguf needs m-00002-of-00009.gguf, m-00003-of-00009.gguf, "
        f"m-00004-of-00009.gguf and 5 more: `localreg add {tmp_path} -n NAME` keeps them together"
    )


def test_what_is_not_there_is_said(made):
    found = made(NUMBERED.format(1), NUMBERED.format(2))
    assert found.absent == (NUMBERED.format(3),)
    assert found.text.endswith(f"; {NUMBERED.format(3)} is missing")
    assert made("x-00001-of-00002.bin").text == (
        "x-00001-of-00002.bin needs x-00002-of-00002.bin, which is not beside it"
    )


def test_a_distributed_checkpoint_needs_its_index(made):
    assert made("d/__0_0.distcp", "d/.metadata").beside == (".metadata",)


def test_data_of_a_checkpoint_need_its_index(made):
    assert made("c.data-00000-of-00001", "c.index").beside == ("c.index",)
