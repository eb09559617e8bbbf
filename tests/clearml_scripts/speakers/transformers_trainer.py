"""A tiny model trained by transformers' Trainer, which reports to clearml."""

import os

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

os.environ["CLEARML_PROJECT"], os.environ["CLEARML_TASK"] = "language", "tiny gpt"
os.environ["CLEARML_LOG_MODEL"] = "TRUE"

torch.manual_seed(0)
config = GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=16, n_positions=8)
model = GPT2LMHeadModel(config)
rows = [{"input_ids": torch.arange(8) % 16, "labels": torch.arange(8) % 16} for _ in range(8)]
arguments = TrainingArguments(
    output_dir="out", num_train_epochs=2, per_device_train_batch_size=2, logging_steps=2,
    save_steps=4, eval_strategy="epoch", report_to="clearml", use_cpu=True, disable_tqdm=True,
)  # fmt: skip
trainer = Trainer(model=model, args=arguments, train_dataset=rows, eval_dataset=rows[:2])
trainer.train()
