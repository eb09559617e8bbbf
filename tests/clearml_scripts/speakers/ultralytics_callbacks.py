"""The callbacks of ultralytics for clearml, called as its trainer calls them.

The rest of ultralytics cannot be imported here: it needs torchvision, of which there is no build
for every torch. So the two names that the callbacks take from it are given to them.
"""

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

from PIL import Image

package = Path(importlib.util.find_spec("ultralytics").origin).parent
sys.modules["ultralytics"] = ModuleType("ultralytics")
sys.modules["ultralytics.utils"] = utils = ModuleType("ultralytics.utils")
utils.LOGGER, utils.TESTS_RUNNING = logging.getLogger("ultralytics"), False
spec = importlib.util.spec_from_file_location(
    "callbacks_of_ultralytics", package / "utils" / "callbacks" / "clearml.py"
)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
calls = module.callbacks

folder = Path("run").absolute()
folder.mkdir()
for name in ("train_batch0.jpg", "val_batch1_pred.jpg", "results.png"):
    Image.new("RGB", (8, 8)).save(folder / name)
(folder / "best.pt").write_bytes(b"weights")
plots = {folder / "results.png": {}}
trainer = SimpleNamespace(
    args=SimpleNamespace(project="runs/detect", name="tiny", epochs=2, lr0=0.01),
    epoch=1, save_dir=folder, tloss=[1.0], lr={"lr/pg0": 0.01}, epoch_time=2.5,
    label_loss_items=lambda losses, prefix: {f"{prefix}/box_loss": losses[0]},
    metrics={"metrics/mAP50(B)": 0.5, "val/box_loss": 1.5}, plots=plots, best=folder / "best.pt",
    validator=SimpleNamespace(plots={}, metrics=SimpleNamespace(results_dict={"fitness": 0.4})),
)  # fmt: skip
calls["on_pretrain_routine_start"](trainer)
calls["on_train_epoch_end"](trainer)
calls["on_fit_epoch_end"](trainer)
calls["on_val_end"](trainer)
calls["on_train_end"](trainer)
