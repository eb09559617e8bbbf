"""Options of argparse, with choices, flags, lists and a subcommand."""

import argparse

from clearml import Task


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--mode", choices=["fast", "slow"])
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2])
    commands = parser.add_subparsers(dest="command")
    train = commands.add_parser("train")
    train.add_argument("--epochs", type=int, default=1)
    Task.init(project_name="parsers", task_name="argparse")
    found = parser.parse_args()
    print(found.lr, found.epochs)


main()
