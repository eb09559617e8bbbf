"""Checkpoints of torch: one file for each epoch, one overwritten, a script and a load."""

import torch
from clearml import Task

task = Task.init(
    project_name="models", task_name="torch", auto_connect_frameworks={"pytorch": "*.pt"}
)
net = torch.nn.Linear(2, 1)
for epoch in range(2):
    torch.save({"epoch": epoch, "state": net.state_dict()}, f"epoch_{epoch}.pt")
    torch.save(net.state_dict(), "last.pt")
torch.jit.script(net).save("script.pt")
torch.save(net.state_dict(), "not_wanted.bin")
torch.load("last.pt")
