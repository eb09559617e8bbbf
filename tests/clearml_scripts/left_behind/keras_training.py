"""A model of Keras, saved whole and as weights."""

import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from clearml import Task

task = Task.init(project_name="models", task_name="keras")
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0)
model.save("whole.keras")
model.save_weights("only.weights.h5")
keras.models.load_model("whole.keras")
