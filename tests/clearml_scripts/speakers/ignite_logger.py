"""A trainer of ignite with ClearMLLogger, its handlers and ClearMLSaver."""

import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint
from ignite.handlers.clearml_logger import (
    ClearMLLogger,
    ClearMLSaver,
    GradsScalarHandler,
    OptimizerParamsHandler,
    WeightsHistHandler,
    WeightsScalarHandler,
)  # fmt: skip

torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def step(engine, batch):
    optimizer.zero_grad()
    loss = model(batch).pow(2).mean()
    loss.backward()
    optimizer.step()
    return loss.item()


trainer = Engine(step)
logger = ClearMLLogger(project_name="ignite", task_name="engine")
logger.attach_output_handler(
    trainer, event_name=Events.ITERATION_COMPLETED, tag="training",
    output_transform=lambda loss: {"loss": loss},
)  # fmt: skip
logger.attach(
    trainer, log_handler=OptimizerParamsHandler(optimizer), event_name=Events.ITERATION_STARTED
)
logger.attach(
    trainer, log_handler=WeightsScalarHandler(model), event_name=Events.ITERATION_COMPLETED
)
logger.attach(trainer, log_handler=GradsScalarHandler(model), event_name=Events.ITERATION_COMPLETED)
logger.attach(trainer, log_handler=WeightsHistHandler(model), event_name=Events.EPOCH_COMPLETED)
saver = Checkpoint(
    {"model": model}, ClearMLSaver(logger, dirname="checkpoints"), n_saved=1,
    filename_prefix="best", score_function=lambda engine: -engine.state.output, score_name="loss",
    global_step_transform=lambda engine, event: engine.state.epoch,
)  # fmt: skip
trainer.add_event_handler(Events.EPOCH_COMPLETED, saver)
trainer.run([torch.ones(4, 2)] * 3, max_epochs=2)
logger.close()
