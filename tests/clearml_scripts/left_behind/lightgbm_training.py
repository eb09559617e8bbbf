"""Boosting by lightgbm: its metrics, and its model."""

import lightgbm
import numpy as np
from clearml import Task

task = Task.init(project_name="boosting", task_name="lightgbm")
values, labels = np.random.default_rng(0).random((100, 2)), np.arange(100) % 2
data = lightgbm.Dataset(values, labels)
booster = lightgbm.train(
    {"objective": "binary", "metric": "binary_logloss", "verbose": -1}, data, num_boost_round=3,
    valid_sets=[data], valid_names=["train"],
)  # fmt: skip
booster.save_model("booster.txt")
