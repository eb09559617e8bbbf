"""Scalars, histograms, pictures, texts and figures of a TensorBoard writer."""

import matplotlib

matplotlib.use("Agg")
import numpy as np
from clearml import Task
from matplotlib import pyplot
from tensorboardX import SummaryWriter

task = Task.init(project_name="boards", task_name="tensorboardX")
writer = SummaryWriter("logs")
for step in range(3):
    writer.add_scalar("loss/train", 1 / (step + 1), step)
    writer.add_scalar("accuracy", step / 3, step)
writer.add_histogram("weights", np.arange(100.0), 1)
writer.add_image("picture", np.zeros((3, 4, 4)), 2)
writer.add_text("note", "a text", 2)
figure, axes = pyplot.subplots()
axes.plot([1, 2])
writer.add_figure("figure", figure, 2)
writer.close()
