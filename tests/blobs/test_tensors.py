"""The tensors of two files are compared byte by byte, and nothing is loaded whole."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from localreg.blobs.headers.tensors import Shape, changed_tensors, tensors

ARRAYS = {
    "a": np.arange(6, dtype="f4").reshape(2, 3),
    "b": np.arange(4, dtype="i8"),
    "c": np.zeros((), "f8"),
    "empty": np.zeros((0, 3), "f4"),
}
MORE_THAN_A_CHUNK = 300_001


def npz(path, arrays):
    np.savez(path, **arrays)


def compressed(path, arrays):
    np.savez_compressed(path, **arrays)


def safetensors(path, arrays):
    save_file(arrays, path)


FORMATS = [
    pytest.param(safetensors, "m.safetensors", id="safetensors"),
    pytest.param(npz, "m.npz", id="npz"),
    pytest.param(compressed, "m.npz", id="compressed"),
]


def pair(tmp_path, save, name, before, after):
    for folder, arrays in (("before", before), ("after", after)):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / name, arrays)
    return changed_tensors(tmp_path / "before" / name, tmp_path / "after" / name, name, name)


@pytest.mark.parametrize(("save", "name"), FORMATS)
def test_tensors_have_a_type_a_shape_and_the_digest_of_their_bytes(save, name, tmp_path):
    save(tmp_path / name, ARRAYS)
    found = tensors(tmp_path / name, None)
    assert found.keys() == ARRAYS.keys()
    for key, array in ARRAYS.items():
        assert found[key].shape == array.shape
        assert found[key].digest == hashlib.sha256(array.tobytes()).hexdigest()
    assert found["a"].dtype == ("F32" if save is safetensors else "float32")


def test_an_array_is_a_tensor_without_a_name(tmp_path):
    np.save(tmp_path / "a.npy", ARRAYS["a"])
    found = tensors(tmp_path / "a.npy", "a.npy")[""]
    assert (found.dtype, found.shape) == ("float32", (2, 3))
    assert found.digest == hashlib.sha256(ARRAYS["a"].tobytes()).hexdigest()


@pytest.mark.parametrize(("save", "name"), FORMATS)
def test_the_changes_between_two_files_are_named(save, name, tmp_path):
    large = np.zeros(MORE_THAN_A_CHUNK, "f4")
    last = large.copy()
    last[-1] = 1
    before = ARRAYS | {"gone": large, "last": large, "typed": np.zeros(3, "f4")}
    after = ARRAYS | {
        "b": ARRAYS["b"] + 1,
        "last": last,
        "new": np.ones(2, "f4"),
        "typed": np.zeros(3, "i4"),
        "c": np.zeros(1, "f8"),
    }
    found = pair(tmp_path, save, name, before, after)
    assert found.added.keys() == {"new"}
    assert found.removed.keys() == {"gone"}
    assert set(found.changed) == {"b", "last"}
    assert {key: (one.shape, two.shape) for key, (one, two) in found.reshaped.items()} == {
        "typed": ((3,), (3,)),
        "c": ((), (1,)),
    }
    assert found.same == 2


def test_the_order_of_values_in_memory_is_part_of_the_type(tmp_path):
    """Then their bytes say nothing about the values."""
    before = {"a": np.arange(6, dtype="<f4").reshape(2, 3)}
    after = {"a": np.asfortranarray(before["a"].astype(">f4"))}
    found = pair(tmp_path, npz, "m.npz", before, after)
    assert found.reshaped == {
        "a": (
            Shape("float32", (2, 3)),
            Shape("float32 (big-endian, Fortran order)", (2, 3)),
        )
    }


def test_a_compressed_file_and_one_that_is_not_have_the_same_tensors(tmp_path):
    npz(tmp_path / "a.npz", ARRAYS)
    compressed(tmp_path / "b.npz", ARRAYS)
    assert changed_tensors(tmp_path / "a.npz", tmp_path / "b.npz", "a.npz", "b.npz").same == 4


def zip_of(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def array(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


def lying(data, size, told):
    return data.replace(struct.pack("<L", size), struct.pack("<L", told))


OTHERS = {
    "text": b"a text",
    "nothing": b"",
    "an archive of texts": zip_of(a="text"),
    "a broken archive": zip_of(**{"a.npy": array(np.arange(1000))})[:-30],
    "a member that is damaged": flipped(zip_of(**{"a.npy": array(np.arange(1000))}), 500),
    "much more than the archive has": lying(zip_of(**{"a.npy": b"x" * 1000}), 1000, 2**31),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_whose_tensors_are_not_known_has_none(kind, tmp_path):
    (tmp_path / "other").write_bytes(OTHERS[kind])
    np.save(tmp_path / "a.npy", ARRAYS["a"])
    assert tensors(tmp_path / "other", "other") is None
    for before, after in (("a.npy", "other"), ("other", "a.npy")):
        assert changed_tensors(tmp_path / before, tmp_path / after, before, after) is None


@given(data=st.data())
def test_no_damage_is_an_error(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damage")
    save, name = data.draw(
        st.sampled_from([(safetensors, "a.safetensors"), (npz, "a.npz"), (compressed, "b.npz")])
    )
    save(folder / name, ARRAYS)
    whole = (folder / name).read_bytes()
    damaged = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=5)):
        damaged[place] = data.draw(st.integers(0, 255))
    (folder / "damaged").write_bytes(damaged[: data.draw(st.integers(0, len(whole)))])
    tensors(folder / "damaged", name)
    changed_tensors(folder / name, folder / "damaged", name, name)
