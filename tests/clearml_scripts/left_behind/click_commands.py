"""A group of click whose command starts the task."""

import click
from clearml import Task


@click.group()
@click.option("--verbose", is_flag=True)
def main(verbose):
    pass


@main.command()
@click.option("--lr", default=0.1, type=float)
@click.option("--name", default="net")
@click.argument("epochs", type=int)
def train(lr, name, epochs):
    Task.init(project_name="parsers", task_name="click")
    print(lr * epochs, name)


main()
