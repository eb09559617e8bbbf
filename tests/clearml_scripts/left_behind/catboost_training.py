"""Boosting by catboost: its metrics, and its model."""

import numpy as np
from catboost import CatBoostClassifier
from clearml import Task

task = Task.init(project_name="boosting", task_name="catboost")
values, labels = np.random.default_rng(0).random((100, 2)), np.arange(100) % 2
model = CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False)
model.fit(values, labels, eval_set=(values, labels))
model.save_model("model.cbm")
