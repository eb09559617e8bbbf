"""A model of transformers in a folder."""

from clearml import Task
from transformers import GPT2Config, GPT2LMHeadModel

task = Task.init(project_name="models", task_name="transformers")
config = GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=16, n_positions=8)
GPT2LMHeadModel(config).save_pretrained("tiny")
GPT2LMHeadModel.from_pretrained("tiny")
