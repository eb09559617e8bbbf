"""A function run by hydra, with a configuration file."""

import hydra
from clearml import Task


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    Task.init(project_name="parsers", task_name="hydra")
    print(config.lr, config.db.user)


main()
