"""Titles and series of TensorBoard's tags."""

from __future__ import annotations

import pytest

from localreg.values.board_tags import series_of_add_scalars, split_tag


# ClearML's own results for these tags.
@pytest.mark.parametrize(
    ("tag", "most", "found"),
    [
        ("loss/train", 1, ("loss", "train")),
        ("loss", 1, ("default", "loss")),
        ("a/b/c", 1, ("a_b", "c")),
        ("img", 3, ("default", "img")),
        ("v/img", 3, ("v", "img")),
        ("a/b/c", 3, ("a", "b_c")),
        ("a/b/c/d", 3, ("a", "b_c_d")),
        ("a/b/c/d/e", 3, ("a_b", "c_d_e")),
    ],
)
def test_a_tag_is_split_as_in_clearml(tag, most, found):
    assert split_tag(tag, "default", most=most) == found


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("runs/a/loss_train", "train"),
        ("runs/a/loss_val/x", "val/x"),
        ("runs/a/loss/train", "train"),
        ("runs/a", None),
        ("runs/loss", None),
        ("runs/my_loss_train", None),
    ],
)
def test_the_folders_of_add_scalars_are_recognized(folder, found):
    assert series_of_add_scalars(folder, "loss") == found
