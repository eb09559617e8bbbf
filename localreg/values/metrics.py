"""What the name of a metric says."""

from __future__ import annotations

_MORE = "acc auc f1 precision recall map score iou dice r2 psnr ssim bleu rouge reward".split()
_LESS = "loss err mse mae rmse mape perplexity ppl nll wer cer fid latency time".split()

MACHINE, GPU = ":monitor:machine", ":monitor:gpu"  # titles of what the machine did, as in ClearML
MONITORED = (MACHINE, GPU)


def better(name: str) -> int:
    """Return 1 if more of a metric is better, -1 if less is, 0 if its name does not say.

    >>> better("val/accuracy"), better("val/nll"), better("layers")
    (1, -1, 0)
    """
    words = "".join(char if char.isalnum() else " " for char in name.lower()).split()
    for word in reversed(words):  # "val loss", "accuracy (test)"
        if any(word.startswith(each) for each in _LESS):
            return -1
        if any(word.startswith(each) for each in _MORE):
            return 1
    return 0
