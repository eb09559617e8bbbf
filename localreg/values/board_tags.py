"""What tags of TensorBoard mean as titles and series, as ClearML has them."""

from __future__ import annotations

# The title of tags without "/", by what is written.
SCALAR, HISTOGRAM, CURVE = "Scalars", "Histograms", "Curves"
IMAGE, AUDIO, TEXT = "Images", "Audio", "Text"


def place_of_tag(kind: str, tag: str) -> tuple[str, str]:
    """Return title and series of a tag.

    Args:
        kind: "Scalars", "Images" or another title above.

    >>> place_of_tag(SCALAR, "loss/train"), place_of_tag(SCALAR, "loss")
    (('loss', 'train'), ('loss', 'loss'))
    >>> place_of_tag(IMAGE, "samples/of/epoch"), place_of_tag(IMAGE, "sample")
    (('samples', 'of_epoch'), ('Images', 'sample'))
    """
    default = tag if kind in (SCALAR, CURVE) else kind
    return split_tag(tag, default, most=1 if kind in (SCALAR, CURVE, HISTOGRAM) else 3)


def split_tag(tag: str, default: str, *, most: int) -> tuple[str, str]:
    """Return title and series of a tag.

    Args:
        default: the title of a tag without "/".
        most: how many parts at its end are the series; fewer if the title would have none.
    """
    parts = tag.split("/")
    count = max(1, min(most, len(parts) - 1))
    return "_".join(parts[:-count]) or default, "_".join(parts[-count:])


def series_of_add_scalars(folder: str, tag: str) -> str | None:
    """Return the name of the value if a writer's folder is one that `add_scalars` makes, else None.

    For the tag "loss" and the value "train" it is ``…/loss_train`` in torch and ``…/loss/train``
    in tensorboardX.
    """
    for start in (f"/{tag.replace('/', '_')}_", f"/{tag}/"):
        _, found, part = folder.rpartition(start)
        if found and part:
            return part
    return None
