"""A pipeline of scikit-learn that joblib saves and loads."""

import joblib
import numpy as np
from clearml import Task
from sklearn.linear_model import LogisticRegression

task = Task.init(project_name="models", task_name="joblib")
model = LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
joblib.dump(model, "classifier.pkl")
model = joblib.load("classifier.pkl")
task.get_logger().report_single_value("score", float(model.score([[0.0], [1.0]], [0, 1])))
