"""Seeds of the random generators of a script."""

from __future__ import annotations

import random
import sys


def make_deterministic(seed: int = 1337, cudnn_deterministic: bool = False) -> None:
    """Seed the random generators of Python, and of those of these libraries that are imported.

    Args:
        seed: for `random`, numpy, torch and TensorFlow.
        cudnn_deterministic: let torch use only deterministic algorithms of cuDNN.

    Source: ``clearml.utilities.seed.make_deterministic`` of the ClearML SDK.
    """
    seed = int(seed) & 0xFFFFFFFF
    random.seed(seed)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed(seed)
    if torch is not None:
        torch.manual_seed(seed)
        if cudnn_deterministic:
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.random.set_seed(seed)
