"""Boosting by xgboost: its metrics, and its model."""

import numpy as np
import xgboost
from clearml import Task

task = Task.init(project_name="boosting", task_name="xgboost")
data = xgboost.DMatrix(np.arange(20.0).reshape(10, 2), label=np.arange(10) % 2)
booster = xgboost.train(
    {"objective": "binary:logistic", "eval_metric": "logloss"}, data, num_boost_round=3,
    evals=[(data, "train")],
)  # fmt: skip
booster.save_model("booster.json")
xgboost.Booster().load_model("booster.json")
