"""What is recorded of data sets, by name.

A version of a data set is a model with the system tag `TAG`, in the project `FOLDER` below its own:
so a model and a data set of one name do not get in each other's way. Its weights are a package.
"""

from __future__ import annotations

TAG = "dataset"
FOLDER = ".datasets"
FIRST_VERSION = "1.0.0"
# Keys of metadata.
VERSION = "dataset.version"
PARENTS = "dataset.parents"  # a JSON list of ids
STATE = "dataset.state"
# What `STATE` is.
OPEN = "in_progress"
FINAL = "completed"
PUBLISHED = "published"
# How tasks name the data sets that they use.
SECTION = "Datasets"


def project_of(project: str | None) -> str:
    """Return the name of the project that holds the data sets of a project.

    >>> project_of("vision"), project_of(None)
    ('vision/.datasets', '.datasets')
    """
    return f"{project}/{FOLDER}" if project else FOLDER


def shown_project(project: str | None) -> str:
    """Return the name of the project of a data set, as people know it.

    >>> shown_project("vision/.datasets"), shown_project(".datasets")
    ('vision', '')
    """
    return (project or "").removesuffix(FOLDER).rstrip("/")


def is_data_project(project: str) -> bool:
    """Return True if a project holds the data sets of another one."""
    return project == FOLDER or project.endswith(f"/{FOLDER}")
