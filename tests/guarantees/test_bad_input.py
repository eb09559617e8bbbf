"""Bad input of every kind, to every public method and constructor argument.

Each raises an error of localreg that names the argument, and changes nothing in the registry: the
test compares a dump of its database and a list of its files, before and after.
"""

from __future__ import annotations

import inspect
import io
import itertools
import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.foreign_signatures import new_key, private_pem
from support.sessions import SMALL, STORES

from localreg import (
    Dataset,
    InputModel,
    Model,
    OutputModel,
    Registry,
    StorageManager,
    Task,
    use_registry,
)
from localreg.api.not_supported import NOT_SUPPORTED
from localreg.errors import LocalregError

SESSION = STORES / SMALL
HUGE = "x" * 16_777_217
LARGE = 10**5_000  # Python refuses to print it
CYCLE: list[object] = []
CYCLE.append(CYCLE)
DEEP: list[object] = []
for _ in range(100_000):
    DEEP = [DEEP]


class BytesPath(os.PathLike):
    def __fspath__(self):
        return b"/bytes.pt"


def label(value):
    """Return a test id for a value, even if it cannot be printed."""
    for known, name in ((HUGE, "huge"), (LARGE, "large int"), (CYCLE, "cycle"), (DEEP, "deep")):
        if value is known:
            return name
    try:
        text = ascii(value)
    except (ValueError, RecursionError):
        text = f"odd {type(value).__name__}"
    return text.partition(" object at ")[0][:40]


NOT_TEXT = [5, 0, 1.5, True, False, b"x", b"", ["a"], [], {"a": 1}, object(), LARGE, CYCLE, DEEP]
UNSTORABLE = ["\ud800", "a\udfffb"]
NOT_A_TEXT = [*NOT_TEXT, *UNSTORABLE, HUGE]
NOT_A_NAME = [*NOT_A_TEXT, "a\0b", "  ", "\n", "x" * 1_025]
NOT_TAGS = [
    "a", "", b"a", 5, 0, True, LARGE, object(), [5], [None], ["a", ""], ["a", "\0"], ["\ud800"],
    ["__$all"], ["x" * 1_025], [["a"]], [LARGE], DEEP, CYCLE,
]  # fmt: skip
NOT_A_TAG_FILTER = [
    "a", "", b"a", 5, 0, {"a"}, {"a": 1}, iter("a"), LARGE, object(), [5], ["a", ""], ["-"], ["\0"],
    ["__$not"], ["__$bad"], ["__$"], ["__$not", "__$or"], ["\ud800"], ["a"] * 100_000,
    ["x" * 1_025], [LARGE], DEEP, CYCLE, [["a"]],
]  # fmt: skip
NOT_A_URL = [
    None, "", "  ", 5, 0, b"x", ["a"], [], object(), BytesPath(), LARGE, DEEP, "\0", "s3://b/\0",
    "s3://b/\ud800", "/a/\udfff", "s3://b/a b", "https://h/a\nb", "http:/one/slash", "s3:bucket",
    "https://", "s3:///key", "http://[::1", "http://host:port/x", "http://host:99999/x",
    "file://host/x", "file://relative", "file:///%00", "file:///%ff", "s3://b/" + "x" * 40_000,
    "x" * 40_000, HUGE,
]  # fmt: skip
NOT_LABELS = [
    5, 0, "a", "", ["a"], [], [("a", 1)], {"a"}, DEEP, {1: 1}, {"": 1}, {None: 1}, {"\0": 1},
    {"\ud800": 1}, {"x" * 1_025: 1}, {"a": None}, {"a": "1"}, {"a": 1.0}, {"a": True}, {"a": 2**63},
    {"a": LARGE}, {"a": int}, {"a": [1]}, {"a": DEEP}, {"a": 1, "b": 1}, {("a",): 1},
]  # fmt: skip
NOT_A_CONFIG_DICT = [
    5, 0, ["a"], [], [("a", 1)], {"a"}, b"a", object(), DEEP, CYCLE, {"a": object()}, {"a": {1}},
    {"a": CYCLE}, {"a": DEEP}, {"a": LARGE}, {"a": b"x"}, {("a",): 1}, {"a": "\ud800"},
    {"\ud800": 1}, {1: "a", "1": "b"}, {"a": HUGE}, "\ud800", HUGE,
]  # fmt: skip
NOT_METADATA_KEYS = [
    None, "", "  ", "\0", "\ud800", "x" * 1_025, HUGE, (HUGE,), LARGE,
]  # fmt: skip
NOT_A_METADATA_VALUE = [
    "\ud800", CYCLE, DEEP, LARGE, HUGE, {"a": object()}, [{1}], [LARGE], {"a": b"x"},
    {"a": "\ud800"},
]  # fmt: skip
NOT_MAPPINGS = [5, 0, "a", "", ["a"], [], [("a", 1)], {"a"}, b"a", object(), LARGE, DEEP]
NOT_METADATA = [
    *NOT_MAPPINGS,
    *({"good": 1, key: 1} for key in NOT_METADATA_KEYS),
    *({"good": 1, "a": value} for value in NOT_A_METADATA_VALUE),
    *({"good": 1, "a": {"value": value, "type": "str"}} for value in NOT_A_METADATA_VALUE),
    {"good": 1, "a": {"type": "int"}},
    {"good": 1, "a": {"key": "b", "value": 1}},
    {"good": 1, 1: "a", "1": "b"},
    {"good": 1, "a": {"value": 1, "type": "\ud800"}},
]
NOT_COMPARISONS = [
    5, "a", b"a", [], [("a", 1)], {1: 2}, {"": 1}, {"a": "high"}, {"a": None}, {"a": True},
    {"a": (">", "1")}, {"a": float("nan")}, {"a\0b": 1}, {"\ud800": 1}, {"a": []}, object(),
]  # fmt: skip
NOT_A_METADATA_FILTER = [
    *NOT_MAPPINGS,
    *({key: 1} for key in NOT_METADATA_KEYS),
    *({"a": value} for value in NOT_A_METADATA_VALUE),
    {f"k{number}": 1 for number in range(3_000)},
]
NOT_A_LIMIT = [0, -1, -(2**70), 2**63, 2**70, LARGE, True, False, 1.0, "1", "", [], object(), DEEP]
NOT_AN_ID = [*NOT_A_NAME, "f" * 32, "f" * 31, "x" * 5_000, "../" * 20, "'; DROP TABLE model"]
NOT_A_REMOTE = [5, "", "a\0b", "unknown", "a/b", "s3://b", b"x", [], {}, 1.5, LARGE]
NOT_A_REFERENCE = [None, *NOT_AN_ID, "", "a/" * 3_000, "m:2", "m@none", "/m", "%", "*"]
NOT_AN_ALIAS = [None, "", "a/b", "a:b", "a@b", "a b", *NOT_A_NAME]
NOT_A_PLACE_OF_AN_ALIAS = [None, "", "net", "@prod", "net@", "net@a b", "net@a/b", *NOT_A_NAME]
NOT_CONDITIONS = [
    None,
    5,
    0,
    "",
    ",",
    " ",
    b"signed",
    {"signed": 1},
    [],
    [""],
    [5],
    [None],
    ["\ud800"],
    ["a\0b>1"],
    "blessed",
    "accuracy",
    ">=0.9",
    ["x" * 501],
    [f"a>{n}" for n in range(51)],
    "metric:acc>high",
    object(),
    LARGE,
    DEEP,
    CYCLE,
    HUGE,
]
NOT_A_REGISTRY = [5, 0, "path", "", [], object(), LARGE, DEEP]
NOT_A_TASK = [None, 5, "f" * 32, b"x", object(), LARGE, DEEP]
NOT_A_PATH = [
    5, 0, b"x", ["a"], BytesPath(), "", "  ", "\0", "\ud800", LARGE, DEEP, "~nobody-here/x",
    "x" * 5_000, "/x" * 5_000,
]  # fmt: skip
NOT_A_DIGEST = [5, 0, "", "x", "0" * 63, "0" * 65, "g" * 64, b"0" * 64, [], LARGE, DEEP, "\ud800"]
NOT_A_FILENAME = [
    5, 0, b"x", [], "", " ", ".", "..", "a/b", "/a", "a\\b", "a\0b", "x" * 300, LARGE, DEEP,
]  # fmt: skip
NOT_A_LIST_OF_NAMES = [None, "a", b"a", 5, 0, LARGE, [5], [None], [["a"]], [""], ["\ud800"], [b"a"],
                       DEEP, CYCLE]  # fmt: skip

NOT_A_DESTINATION = [
    *(each for each in NOT_A_URL if each not in (None, "", "x" * 40_000)),
    "ftp://host/folder", "https://example.org/x", "s3://key:secret@bucket", "gs://bucket/a//b",
]  # fmt: skip

NO_NUMBER = [0, -1, 1.5, "1", True, [], b"x", object(), LARGE, DEEP]
NOT_A_STATUS = [5, b"x", [5], [None], object(), LARGE]
NOT_A_REMOTE_URL = [None, 5, b"x", [], "", object(), LARGE, DEEP]

# call, bad values, name in the message
IMPORTS = {
    "weights_url": NOT_A_URL,
    "config_text": NOT_A_TEXT,
    "config_dict": NOT_A_CONFIG_DICT,
    "label_enumeration": NOT_LABELS,
    "name": [*NOT_A_NAME, ""],
    "project": NOT_A_NAME,
    "tags": NOT_TAGS,
    "comment": NOT_A_TEXT,
    "framework": NOT_A_NAME,
    "metadata": NOT_METADATA,
    "registry": NOT_A_REGISTRY,
}


def into_import(argument):
    def call(at, value):
        return InputModel.import_model(**{"weights_url": "s3://bucket/new.pt", argument: value})

    return call


def into_add(argument):
    def call(at, value):
        return at.registry.add(at.file, **{argument: value})

    return call


def into_output(argument):
    def call(at, value):
        return OutputModel(**{"task": at.task, argument: value})

    return call


def into_update(argument):
    def call(at, value):
        return at.output.update_weights(**{"weights_filename": at.file, argument: value})

    return call


def into_package(argument):
    def call(at, value):
        return at.output.update_weights_package(**{"weights_filenames": [at.file], argument: value})

    return call


# For updates, of a file and of a package.
UPDATES = {
    "upload_uri": [each for each in NOT_A_DESTINATION if each not in (None, "")],
    "target_filename": [each for each in NOT_A_FILENAME if each != ""],
    "iteration": ["1", "", 1.5, float("nan"), b"1", [], object(), LARGE, 2**54, DEEP],
    "keep_last": NOT_A_LIMIT,
}

NOT_PATTERNS = [5, object(), [5], [None], ["\ud800"], ["\0"], "\0", "x" * 5_000, LARGE, DEEP, CYCLE]
NOT_A_PLACE_IN_IT = [
    each for each in NOT_A_PATH if each not in ("", "x" * 5_000, "/x" * 5_000, "~nobody-here/x")
] + ["../a", "a/../b", "a\nb", "a\\b", "c:/a"]  # fmt: skip
NOT_A_DATASET = [5, 0, b"x", {"a"}, object(), LARGE, DEEP, CYCLE, "f" * 32, ["f" * 32], [None]]


def into_dataset(argument):
    def call(at, value):
        return Dataset.create(
            **{
                "dataset_name": "n",
                "dataset_project": "p",
                "registry": at.registry,
                argument: value,
            }
        )

    return call


def into_get(argument):
    def call(at, value):
        return Dataset.get(**{"dataset_name": "d", "registry": at.registry, argument: value})

    return call


def into_list(argument):
    def call(at, value):
        return Dataset.list_datasets(**{"registry": at.registry, argument: value})

    return call


def of_dataset(method, argument, **others):
    def call(at, value):
        return getattr(at.dataset, method)(**others | {argument: value})

    return call


def of_final(method, argument, **others):
    def call(at, value):
        return getattr(at.final, method)(**others | {argument: value})

    return call


NOT_A_VERSION = [
    each for each in NOT_A_NAME if type(each) not in (int, float) or abs(each) > 10**15
] + ["", True]  # fmt: skip
NOT_A_COUNT = ["1", -1, 1.5, True, b"1", [], object(), LARGE, DEEP]
DATASETS = {
    **{
        f"Dataset.create({name}=)": (into_dataset(name), values, named)
        for name, values, named in (
            ("dataset_name", [*NOT_A_NAME, ""], "dataset_name"),
            ("dataset_project", NOT_A_NAME, "dataset_project"),
            ("dataset_tags", NOT_TAGS, "dataset_tags"),
            ("parent_datasets", NOT_A_DATASET, "parent_datasets|dataset_id|data set with id"),
            ("dataset_version", NOT_A_VERSION, "dataset_version"),
            ("output_uri", [each for each in NOT_A_DESTINATION if each not in (None, "")],
             "output_uri"),
            ("description", NOT_A_TEXT, "description"),
            ("registry", NOT_A_REGISTRY, "registry"),
        )
    },
    **{
        f"Dataset.get({name}=)": (into_get(name), values, named)
        for name, values, named in (
            ("dataset_id", [each for each in NOT_AN_ID if each], "dataset_id|data set with id"),
            ("dataset_name", [*NOT_A_NAME, ""], "dataset_name"),
            ("dataset_project", NOT_A_NAME, "dataset_project"),
            ("dataset_tags", NOT_TAGS, "dataset_tags"),
            ("dataset_version", NOT_A_VERSION, "dataset_version"),
            ("alias", NOT_A_NAME, "alias"),
            ("registry", NOT_A_REGISTRY, "registry"),
        )
    },
    **{
        f"Dataset.list_datasets({name}=)": (into_list(name), values, name)
        for name, values in (
            ("dataset_project", NOT_A_NAME),
            ("partial_name", [*NOT_A_TEXT, "(", "[", "*"]),
            ("tags", NOT_TAGS),
            ("ids", ["a", 5, object(), [5], [None], [""], ["\ud800"], LARGE, DEEP, CYCLE]),
            ("registry", NOT_A_REGISTRY),
        )
    },
    **{
        f"Dataset.{method}({name}=)": (of_dataset(method, name, **others), values, named)
        for method, name, values, named, others in (
            ("add_files", "path", NOT_A_PATH, "path|file or folder", {}),
            ("add_files", "wildcard", NOT_PATTERNS, "wildcard", {"path": __file__}),
            ("add_files", "local_base_folder", NOT_A_PATH, "local_base_folder|too long",
             {"path": __file__}),
            ("add_files", "dataset_path", NOT_A_PLACE_IN_IT, "dataset_path", {"path": __file__}),
            ("add_external_files", "source_url", [each for each in NOT_A_URL if each != []],
             "source_url|no file or folder|cannot be (looked at|listed|used)", {}),
            ("add_external_files", "wildcard", NOT_PATTERNS, "wildcard",
             {"source_url": __file__}),
            ("add_external_files", "dataset_path",
             [each for each in NOT_A_PLACE_IN_IT if each != ["a"]], "dataset_path",
             {"source_url": __file__}),
            ("remove_files", "dataset_path", NOT_A_TEXT, "dataset_path", {}),
            ("sync_folder", "local_path", [*NOT_A_PATH, __file__],
             "path|file or folder|is no folder", {}),
            ("sync_folder", "dataset_path", NOT_A_PLACE_IN_IT, "dataset_path",
             {"local_path": Path(__file__).parent}),
            ("list_files", "dataset_path", NOT_PATTERNS, "dataset_path", {}),
            ("list_files", "dataset_id", NOT_A_NAME, "dataset_id", {}),
            ("list_added_files", "dataset_id", [each for each in NOT_AN_ID if each],
             "dataset_id|data set with id", {}),
            ("list_modified_files", "dataset_id", [each for each in NOT_AN_ID if each],
             "dataset_id|data set with id", {}),
            ("list_removed_files", "dataset_id", [each for each in NOT_AN_ID if each],
             "dataset_id|data set with id", {}),
            ("upload", "output_url", [each for each in NOT_A_DESTINATION if each],
             "output_url", {}),
            ("set_description", "description", NOT_A_TEXT, "description", {}),
            ("add_tags", "tags", [each for each in NOT_TAGS if each != "a"], "tags", {}),
            ("set_metadata", "metadata_name", NOT_A_NAME, "metadata_name", {"metadata": {}}),
            ("set_metadata", "metadata", [object(), {"a": object()}, DEEP, CYCLE, "\ud800"],
             "artifact_object|metadata", {}),
            ("get_metadata", "metadata_name", NOT_A_NAME, "metadata_name", {}),
            ("update_changed_files", "num_files_added", ["1", -1, 1.5, True, [1], object(), LARGE],
             "num_files_added", {}),
        )
    },
    **{
        f"Dataset.{method}({name}=)": (of_final(method, name, **others), values, named)
        for method, name, values, named, others in (
            ("get_local_copy", "part", NOT_A_COUNT, "part", {"num_parts": 2}),
            ("get_local_copy", "num_parts", NOT_A_COUNT, "num_parts", {"part": 0}),
            ("get_local_copy", "files", ["a", 5, object(), [5], [None], ["missing"], LARGE],
             "files|no file", {}),
            ("get_mutable_local_copy", "target_folder",
             [each for each in NOT_A_PATH if each != "~nobody-here/x"],
             "target_folder|too long", {}),
            ("verify_dataset_hash", "local_copy_path", NOT_A_PATH, "local_copy_path", {}),
        )
    },
    "Dataset.version": (
        lambda at, value: setattr(at.dataset, "version", value), NOT_A_VERSION, "dataset_version"
    ),
    "Dataset.tags": (lambda at, value: setattr(at.dataset, "tags", value or 5), NOT_TAGS, "tags"),
    "Dataset.squash(dataset_name=)": (
        lambda at, value: Dataset.squash(value, [at.final.id], registry=at.registry),
        [*NOT_A_NAME, "", None], "dataset_name",
    ),
    "Dataset.squash(dataset_ids=)": (
        lambda at, value: Dataset.squash("n", value, registry=at.registry),
        [*NOT_A_DATASET, []], "dataset_ids|dataset_id|data set with id",
    ),
    "Dataset.squash(dataset_project_name_pairs=)": (
        lambda at, value: Dataset.squash(
            "n", dataset_project_name_pairs=value, registry=at.registry
        ),
        ["ab", 5, [5], ["ab"], [("a",)], [("a", 5)], [("p", "missing")], [], LARGE],
        "dataset_project_name_pairs|dataset_name|no data set|dataset_ids",
    ),
    "Dataset.delete(dataset_id=)": (
        lambda at, value: Dataset.delete(value, registry=at.registry),
        [*NOT_AN_ID, "", None], "dataset_id|data set with id",
    ),
    "Dataset.delete(dataset_name=)": (
        lambda at, value: Dataset.delete(dataset_name=value, registry=at.registry),
        [*NOT_A_NAME, "", "missing"], "dataset_name|name",
    ),
    **{
        f"Dataset.{method}({number})": (
            lambda at, value, method=method, number=number: getattr(Dataset, method)(
                *("new", "p", "d")[:number], value, *("new", "p", "d")[number + 1 :],
                registry=at.registry,
            ),
            [*NOT_A_NAME, *more], named,
        )
        for method, number, more, named in (
            ("rename", 0, ["", None], "dataset_name"),
            ("rename", 1, ["missing"], "dataset_project|no data set"),
            ("rename", 2, ["", None, "missing"], "dataset_name|no data set"),
            ("move_to_project", 0, [], "dataset_project"),
            ("move_to_project", 1, ["missing"], "dataset_project|no data set"),
            ("move_to_project", 2, ["", None, "missing"], "dataset_name|no data set"),
        )
    },
}  # fmt: skip

CALLS = {
    **DATASETS,
    "OutputModel(task=)": (lambda at, value: OutputModel(value), NOT_A_TASK, "task"),
    **{
        f"OutputModel({name}=)": (into_output(name), values, name)
        for name, values in IMPORTS.items()
        if name not in ("weights_url", "project", "metadata")
    },
    "OutputModel(base_model_id=)": (into_output("base_model_id"), NOT_AN_ID, "id"),
    **{
        f"update_weights({name}=)": (into_update(name), values, name)
        for name, values in UPDATES.items()
    },
    "update_weights(weights_filename=)": (
        lambda at, value: at.output.update_weights(value),
        [*NOT_A_URL, "s3://bucket/x.pt", "/", "/dev/null", "/nowhere/at/all"],
        "weights_filename|device|no file|registry itself|keeping",
    ),
    "update_weights(register_uri=)": (
        lambda at, value: at.output.update_weights(register_uri=value), NOT_A_URL, "register_uri",
    ),
    "update_weights(both)": (
        lambda at, value: at.output.update_weights(at.file, register_uri=value),
        ["s3://b/x.pt", 5],
        "register_uri",
    ),
    **{
        f"update_weights_package({name}=)": (into_package(name), values, name)
        for name, values in UPDATES.items()
    },
    "update_weights_package(weights_filenames=)": (
        lambda at, value: at.output.update_weights_package(value),
        [*NOT_A_LIST_OF_NAMES, [], ["/nowhere"], ["/"], ["/dev/null"], [None], ["s3://b/x"]],
        "weights_filenames|no file|directory|device|changed",
    ),
    "update_weights_package(weights_path=)": (
        lambda at, value: at.output.update_weights_package(weights_path=value),
        [*NOT_A_URL, "/nowhere", "/dev/null", "/", "s3://b/x"],
        "weights_path|registry itself|weights_filenames",
    ),
    "update_design(config_text=)": (
        lambda at, value: at.output.update_design(value), NOT_A_TEXT, "config_text",
    ),
    "update_design(config_dict=)": (
        lambda at, value: at.output.update_design(config_dict=value),
        NOT_A_CONFIG_DICT,
        "config_dict",
    ),
    "update_labels(labels=)": (
        lambda at, value: at.output.update_labels(value), [None, *NOT_LABELS], "label",
    ),
    "config_text": (
        lambda at, value: setattr(at.output, "config_text", value), NOT_A_TEXT, "config_text",
    ),
    "config_dict": (
        lambda at, value: setattr(at.output, "config_dict", value),
        NOT_A_CONFIG_DICT,
        "config_dict",
    ),
    "labels": (lambda at, value: setattr(at.output, "labels", value), [None, *NOT_LABELS], "label"),
    "set_upload_destination(uri=)": (
        lambda at, value: at.output.set_upload_destination(value), NOT_A_DESTINATION, "uri",
    ),
    "set_default_upload_uri(output_uri=)": (
        lambda at, value: OutputModel.set_default_upload_uri(value),
        NOT_A_DESTINATION,
        "output_uri",
    ),
    "wait_for_uploads(timeout=)": (
        lambda at, value: OutputModel.wait_for_uploads(value),
        ["", "1", -1, float("nan"), float("inf"), True, [], LARGE, DEEP, object()],
        "timeout",
    ),
    "wait_for_uploads(max_num_uploads=)": (
        lambda at, value: OutputModel.wait_for_uploads(0, value), NOT_A_LIMIT, "max_num_uploads",
    ),
    "OutputModel.connect(task=)": (lambda at, value: at.output.connect(value), NOT_A_TASK, "task"),
    "OutputModel.connect(name=)": (
        lambda at, value: at.output.connect(at.task, value), ["", *NOT_A_NAME], "name",
    ),
    "restore_weights(revision=)": (
        lambda at, value: at.model.restore_weights(value),
        [None, "1", 0, 2, -1, 1.0, True, b"1", [], LARGE, object(), DEEP],
        "revision",
    ),
    **{
        f"import_model({name}=)": (into_import(name), values, name)
        for name, values in IMPORTS.items()
    },
    "import_model(copy=)": (
        lambda at, value: InputModel.import_model(value, copy=True),
        ["ftp://host/new.pt", "/dev/null", "/nowhere/at/all", "/", "/" + "x" * 300],
        "ftp|device|no file|registry itself|keeping",
    ),
    "import_model(expected_sha256=)": (
        lambda at, value: InputModel.import_model("s3://bucket/new.pt", expected_sha256=value),
        NOT_A_DIGEST,
        "expected_sha256",
    ),
    "get_local_copy(target_folder=)": (
        lambda at, value: at.model.get_local_copy(target_folder=value, raise_on_error=True),
        [each for each in NOT_A_PATH if each != "~nobody-here/x"],
        "target_folder|copying",
    ),
    "StorageManager.get_local_copy(remote_url=)": (
        lambda at, value: StorageManager.get_local_copy(value, raise_on_error=True),
        [*NOT_A_URL, "ftp://host/x", "/nowhere/at/all"],
        "remote_url|ftp|not there",
    ),
    "StorageManager.get_local_copy(name=)": (
        lambda at, value: StorageManager.get_local_copy("s3://b/x", name=value),
        NOT_A_FILENAME,
        "filename",
    ),
    "StorageManager.get_local_copy(expected_sha256=)": (
        lambda at, value: StorageManager.get_local_copy("s3://b/x", expected_sha256=value),
        NOT_A_DIGEST,
        "expected_sha256",
    ),
    "StorageManager.get_local_copy(registry=)": (
        lambda at, value: StorageManager.get_local_copy("s3://b/x", registry=value),
        NOT_A_REGISTRY,
        "registry",
    ),
    **{
        f"Registry.add({name}=)": (into_add(name), values, name)
        for name, values in IMPORTS.items()
        if name not in ("weights_url", "registry")
    },
    "Registry.add(source=)": (
        lambda at, value: at.registry.add(value),
        [*(each for each in NOT_A_URL if each not in ("x" * 40_000,)), "s3://bucket/new.pt", "/",
         "/dev/null", "/nowhere/at/all", io.StringIO("text")],
        "weights_url|local|registry itself|device|no file|binary|several files",
    ),
    "Registry.add(mode=)": (
        lambda at, value: at.registry.add(at.file, mode=value),
        [None, "", "Copy", "hardlink", *NOT_A_NAME],
        "mode",
    ),
    "Registry.add(filename=)": (
        lambda at, value: at.registry.add(at.file, filename=value), NOT_A_FILENAME, "filename",
    ),
    "Registry.add(expected_sha256=)": (
        lambda at, value: at.registry.add(at.file, expected_sha256=value),
        [*NOT_A_DIGEST, "0" * 64],
        "expected",
    ),
    "Registry.add(alias=)": (
        lambda at, value: at.registry.add(at.file, alias=value),
        [each for each in NOT_AN_ALIAS if each is not None],
        "alias",
    ),
    "Registry.compare(runs=)": (
        lambda at, value: at.registry.compare(at.model, value), NOT_A_REFERENCE, "runs|reference",
    ),
    "Registry.compare(one model)": (
        lambda at, value: at.registry.compare(*value), [[], ["p/m"], ["p/m", "p/m"]], "runs",
    ),
    "Registry.backup(target=)": (
        lambda at, value: at.registry.backup(value), [None, 5, "", "a\0b", b"x", [], 1.5], "target",
    ),
    "Registry.export(models=)": (
        lambda at, value: at.registry.export(value, path=at.registry.path.parent / "b.tar"),
        [each for each in NOT_A_REFERENCE if not isinstance(each, (list, tuple))],
        "models|reference",
    ),
    "Registry.export(path=)": (
        lambda at, value: at.registry.export(at.model, path=value),
        [None, 5, "", "a\0b", [], 1.5, "oci://", "oci://a b/c", "oci://h/UPPER", "oci://h/a:?"],
        "path",
    ),
    "Registry.export(format=)": (
        lambda at, value: at.registry.export(
            at.model, path=at.registry.path.parent / "out", format=value
        ),
        [None, 5, "", "zip", "MLflow", b"hf", [], 1.5], "format",
    ),
    "Registry.export(path= of a folder)": (
        lambda at, value: at.registry.export(at.model, path=value, format="hf"),
        [None, 5, "", "a\0b", [], 1.5, "-", "oci://h/a:1", io.BytesIO()], "path",
    ),
    "Registry.export(since=)": (
        lambda at, value: at.registry.export(
            at.model, path=at.registry.path.parent / "b.tar", since=value
        ),
        [5, "", "a\0b", "not-there.tar", [], 1.5], "since",
    ),
    "Registry.import_bundle(source=)": (
        lambda at, value: at.registry.import_bundle(value),
        [None, 5, "", "a\0b", "not-there.tar", [], 1.5, "oci://", "oci://h", "oci://h/a@sha256:1"],
        "source|file",
    ),
    "Registry.import_from(source=)": (
        lambda at, value: at.registry.import_from(value),
        [None, 5, "", "a\0b", "not-there.csv", [], 1.5, "s3://b", "hf://", "oci://h/a:1", "."],
        "source|file|hf://ORG",
    ),
    "Registry.import_from(kind=)": (
        lambda at, value: at.registry.import_from("a.csv", value),
        [5, "", "zip", "MLflow", b"mlflow", [], 1.5], "kind",
    ),
    "Registry.import_from(task=)": (
        lambda at, value: at.registry.import_from("a.csv", "metrics", task=value),
        [None, 5, "", " ", "a\0b", b"x", [], 1.5, LARGE], "task",
    ),
    "Registry.merge(directory=)": (
        lambda at, value: at.registry.merge(value),
        [None, 5, "", "a\0b", "not-there", [], 1.5], "directory|registry",
    ),
    "Registry.add_remote(name=)": (
        lambda at, value: at.registry.add_remote(value, at.registry.path.parent / "remote"),
        [None, 5, "", "a\0b", "a/b", "s3://b", b"x", [], {}, 1.5, LARGE], "name",
    ),
    "Registry.add_remote(url=)": (
        lambda at, value: at.registry.add_remote("origin", value),
        [None, 5, "", "a\0b", "s3://", "s3:/b", "ftp://h/p", "s3://k:s@b", b"x", [], 1.5, LARGE],
        "url|object store|remote",
    ),
    "Registry.remove_remote(name=)": (
        lambda at, value: at.registry.remove_remote(value), NOT_A_REMOTE, "remote|name",
    ),
    "Registry.push(remote=)": (
        lambda at, value: at.registry.push(value), NOT_A_REMOTE, "remote|name",
    ),
    "Registry.pull(remote=)": (
        lambda at, value: at.registry.pull(value), NOT_A_REMOTE, "remote|name",
    ),
    "Registry.sign(ref=)": (
        lambda at, value: at.registry.sign(value, "no-key.pem"), NOT_A_REFERENCE, "ref|reference",
    ),
    "Registry.sign(key=)": (
        lambda at, value: at.registry.sign(at.model, value),
        [None, 5, "", "a\0b", "not-there.pem", b"x", [], 1.5, LARGE], "key",
    ),
    "Registry.sign(password=)": (
        lambda at, value: at.registry.sign(at.model, "no-key.pem", password=value),
        [5, b"x", [], 1.5], "password",
    ),
    "Registry.sign(certificate=)": (
        lambda at, value: at.registry.sign(at.model, at.key, certificate=value),
        [5, "", "a\0b", "not-there.pem", b"x", [], 1.5], "certificate",
    ),
    "Registry.sign(certificate_chain=)": (
        lambda at, value: at.registry.sign(at.model, at.key, certificate_chain=value),
        [None, 5, "a", b"x", ["a"], 1.5], "certificate",
    ),
    "Registry.attach_signature(ref=)": (
        lambda at, value: at.registry.attach_signature(value, "no.sig"),
        NOT_A_REFERENCE, "ref|reference",
    ),
    "Registry.attach_signature(signature=)": (
        lambda at, value: at.registry.attach_signature(at.model, value),
        [None, 5, "", "a\0b", "not-there.sig", b"x", [], 1.5, LARGE], "signature",
    ),
    "Registry.verify_signature(ref=)": (
        lambda at, value: at.registry.verify_signature(value), NOT_A_REFERENCE, "ref|reference",
    ),
    "Registry.verify_signature(key=)": (
        lambda at, value: at.registry.verify_signature(at.model, key=value),
        [5, "", "a\0b", "not-there.pub", b"x", [], 1.5], "key",
    ),
    "Registry.verify_signature(certificate_chain=)": (
        lambda at, value: at.registry.verify_signature(at.model, certificate_chain=value),
        [None, 5, "a", b"x", [5], ["not-there.pem"], 1.5], "certificate_chain",
    ),
    "Registry.signature(ref=)": (
        lambda at, value: at.registry.signature(value), NOT_A_REFERENCE, "ref|reference",
    ),
    "Registry.add_key(key=)": (
        lambda at, value: at.registry.add_key(value),
        [None, 5, "", "a\0b", "not-there.pub", b"x", [], 1.5, LARGE], "key",
    ),
    "Registry.add_key(name=)": (
        lambda at, value: at.registry.add_key("no-key.pub", value),
        [5, "", b"x", [], 1.5], "name",
    ),
    "Registry.remove_key(name=)": (
        lambda at, value: at.registry.remove_key(value),
        [None, 5, "", "a\0b", "no such key", b"x", [], 1.5], "name|key",
    ),
    "Registry.clone(url=)": (
        lambda at, value: Registry.clone(value, at.registry.path.parent / "cloned"),
        [None, 5, "", "a\0b", "not-there", "s3://", "s3:/b", "ftp://h/p", "s3://k:s@b", b"x", [],
         1.5, LARGE],
        "url|no remote at|object store",
    ),
    "Registry.clone(directory=)": (
        lambda at, value: Registry.clone("not-there", value),
        [None, 5, "", "a\0b", b"x", [], 1.5], "directory",
    ),
    "Registry.as_of(when=)": (
        lambda at, value: at.registry.as_of(value),
        [None, 5, "", "a\0b", "the other day", b"2026", [], 1.5], "as-of|when",
    ),
    "Registry.undo(event=)": (
        lambda at, value: at.registry.undo(value),
        [5, "", "a\0b", "abc", "f" * 32, b"x", [], 1.5], "event",
    ),
    "report(path=)": (
        lambda at, value: at.model.report(path=value),
        [each for each in NOT_A_PATH if each not in (None, "~nobody-here/x")],
        "path|page",
    ),
    "export_images(folder=)": (
        lambda at, value: at.model.export_images(value),
        [each for each in NOT_A_PATH if each != "~nobody-here/x"],
        "folder|images",
    ),
    "export_images(formats=)": (
        lambda at, value: at.model.export_images("x", value),
        [None, 5, "", "gif", [], ["png", "gif"], [None], [["png"]], LARGE, DEEP],
        "formats",
    ),
    "export_images(width=)": (
        lambda at, value: at.model.export_images("x", width=value),
        [None, "wide", 0, -1, 1e9, float("nan"), [], LARGE],
        "width",
    ),
    "export_images(scale=)": (
        lambda at, value: at.model.export_images("x", scale=value),
        [None, "large", 0, -1, 1e9, float("nan"), []],
        "scale",
    ),
    "Registry.search(words=)": (
        lambda at, value: at.registry.search(value),
        [None, 5, b"a", {}, "", "--", [], [None], [b"a"], [["a"]], ["a"] * 51, "a" * 1_001,
         "a\0b", "\ud800", object()],
        "words|word",
    ),
    "Registry.search(project=)": (
        lambda at, value: at.registry.search("a", project=value), [5, [], b"a"], "project",
    ),
    "Registry.search(name=)": (
        lambda at, value: at.registry.search("a", name=value), [5, [], b"a"], "name",
    ),
    "Registry.search(tags=)": (
        lambda at, value: at.registry.search("a", tags=value), NOT_A_TAG_FILTER, "tag",
    ),
    "Registry.search(limit=)": (
        lambda at, value: at.registry.search("a", limit=value), [0, -1, 1.5, "1", True], "limit",
    ),
    "Registry.gc(grace_seconds=)": (
        lambda at, value: at.registry.gc(grace_seconds=value),
        [None, "", "1d", -1, -0.5, float("nan"), float("inf"), True, [], LARGE * -1, object()],
        "grace_seconds",
    ),
    "Registry.gc(keep_last=)": (
        lambda at, value: at.registry.gc(keep_last=value),
        [0, -1, 1.5, "", "x", True, [], LARGE, object()], "keep_last",
    ),
    "Registry.gc(keep_best=)": (
        lambda at, value: at.registry.gc(keep_best=value),
        [0, "", "loss", ":1", "loss:", "loss:0", "loss:x", [1], {"loss": 0}, {1: 1}, {"": 1},
         "unknown:1", "a\0:1", object()],
        "keep_best",
    ),
    "Registry.gc(max_size=)": (
        lambda at, value: at.registry.gc(max_size=value),
        [-1, 1.5, "", "much", True, [], object()], "max_size|size",
    ),
    "InputModel(model_id=)": (lambda at, value: InputModel(value), NOT_AN_ID, "id"),
    "InputModel(name=)": (lambda at, value: InputModel(name=value), NOT_A_NAME, "name"),
    "InputModel(project=)": (lambda at, value: InputModel(project=value), NOT_A_NAME, "project"),
    "InputModel(tags=)": (lambda at, value: InputModel(tags=value), NOT_A_TAG_FILTER, "tag"),
    "InputModel(registry=)": (
        lambda at, value: InputModel(registry=value), NOT_A_REGISTRY, "registry",
    ),
    "Model(model_id=)": (lambda at, value: Model(value), [None, "", *NOT_AN_ID], "id"),
    "Model(registry=)": (
        lambda at, value: Model(at.model.id, registry=value), NOT_A_REGISTRY, "registry",
    ),
    "empty(config_text=)": (
        lambda at, value: InputModel.empty(config_text=value), NOT_A_TEXT, "config_text",
    ),
    "empty(config_dict=)": (
        lambda at, value: InputModel.empty(config_dict=value), NOT_A_CONFIG_DICT, "config_dict",
    ),
    "empty(label_enumeration=)": (
        lambda at, value: InputModel.empty(label_enumeration=value),
        NOT_LABELS,
        "label_enumeration",
    ),
    "load_model(weights_url=)": (
        lambda at, value: InputModel.load_model(value), NOT_A_URL, "weights_url",
    ),
    "load_model(registry=)": (
        lambda at, value: InputModel.load_model("s3://b/x", registry=value),
        NOT_A_REGISTRY,
        "registry",
    ),
    "query_models(project_name=)": (
        lambda at, value: InputModel.query_models(project_name=value), NOT_A_TEXT, "project_name",
    ),
    "query_models(model_name=)": (
        lambda at, value: InputModel.query_models(model_name=value), NOT_A_TEXT, "model_name",
    ),
    "query_models(tags=)": (
        lambda at, value: InputModel.query_models(tags=value), NOT_A_TAG_FILTER, "tag",
    ),
    "query_models(max_results=)": (
        lambda at, value: InputModel.query_models(max_results=value), NOT_A_LIMIT, "max_results",
    ),
    "query_models(order_by=)": (
        lambda at, value: InputModel.query_models(order_by=value), NOT_A_TEXT, "order_by",
    ),
    "query_models(metadata=)": (
        lambda at, value: InputModel.query_models(metadata=value),
        NOT_A_METADATA_FILTER,
        "metadata",
    ),
    "query_models(registry=)": (
        lambda at, value: InputModel.query_models(registry=value), NOT_A_REGISTRY, "registry",
    ),
    "remove(model=)": (
        lambda at, value: InputModel.remove(value, raise_on_errors=True),
        [None, "", *NOT_AN_ID],
        "model|id",
    ),
    "name": (lambda at, value: setattr(at.model, "name", value), [None, "", *NOT_A_NAME], "name"),
    "project": (lambda at, value: setattr(at.model, "project", value), NOT_A_NAME, "project"),
    "comment": (lambda at, value: setattr(at.model, "comment", value), NOT_A_TEXT, "comment"),
    "tags": (lambda at, value: setattr(at.model, "tags", value), NOT_TAGS, "tags"),
    "system_tags": (
        lambda at, value: setattr(at.model, "system_tags", value), NOT_TAGS, "system_tags",
    ),
    "add_tags": (
        lambda at, value: at.model.add_tags("good", value),
        [None, "", *NOT_A_NAME, "__$all"],
        "tags",
    ),
    "remove_tags": (
        lambda at, value: at.model.remove_tags("t", value), [None, "", *NOT_A_NAME], "tags",
    ),
    "set_metadata(key=)": (
        lambda at, value: at.model.set_metadata(value, "v"),
        NOT_METADATA_KEYS,
        "metadata|key",
    ),
    "set_metadata(value=)": (
        lambda at, value: at.model.set_metadata("k", value), NOT_A_METADATA_VALUE, "value",
    ),
    "set_metadata(v_type=)": (
        lambda at, value: at.model.set_metadata("k", "v", value), NOT_A_METADATA_VALUE, "metadata",
    ),
    "set_all_metadata(metadata=)": (
        lambda at, value: at.model.set_all_metadata(value), [None, *NOT_METADATA], "metadata",
    ),
    "set_all_metadata(metadata=, replace=False)": (
        lambda at, value: at.model.set_all_metadata(value, replace=False),
        [None, *NOT_METADATA],
        "metadata",
    ),
    "get_metadata(key=)": (
        lambda at, value: at.model.get_metadata(value), NOT_METADATA_KEYS, "key",
    ),
    "get_metadata_casted(key=)": (
        lambda at, value: at.model.get_metadata_casted(value), NOT_METADATA_KEYS, "key",
    ),
    "empty().get_metadata(key=)": (
        lambda at, value: InputModel.empty().get_metadata(value), NOT_METADATA_KEYS, "key",
    ),
    "connect(task=)": (lambda at, value: at.model.connect(value), NOT_A_TASK, "task"),
    "connect(name=)": (
        lambda at, value: at.model.connect(at.task, name=value), ["", *NOT_A_NAME], "name",
    ),
    "Model.history(limit=)": (lambda at, value: at.model.history(value), NOT_A_LIMIT, "limit"),
    "Task.init(project_name=)": (
        lambda at, value: Task.init(project_name=value), NOT_A_NAME, "project_name",
    ),
    "Task.init(task_name=)": (
        lambda at, value: Task.init(task_name=value), ["", *NOT_A_NAME], "task_name",
    ),
    "Task.init(task_type=)": (
        lambda at, value: Task.init(task_name="t", task_type=value),
        ["", "Training", *NOT_A_NAME],
        "task_type",
    ),
    "Task.init(tags=)": (
        lambda at, value: Task.init(task_name="t", tags=value), NOT_TAGS, "tags",
    ),
    "Task.init(registry=)": (
        lambda at, value: Task.init(task_name="t", registry=value), NOT_A_REGISTRY, "registry",
    ),
    "Task.create(project_name=)": (
        lambda at, value: Task.create(project_name=value), NOT_A_NAME, "project_name",
    ),
    "Task.create(task_name=)": (
        lambda at, value: Task.create(task_name=value), ["", *NOT_A_NAME], "task_name",
    ),
    "Task.create(task_type=)": (
        lambda at, value: Task.create(task_type=value), ["", "Training", *NOT_A_NAME], "task_type",
    ),
    "Task.get_task(task_id=)": (
        lambda at, value: Task.get_task(value), [None, "", *NOT_AN_ID], "task_id|task with id",
    ),
    "Task.get_task(task_name=)": (
        lambda at, value: Task.get_task(task_name=value), NOT_A_TEXT, "task_name",
    ),
    "Task.get_task(project_name=)": (
        lambda at, value: Task.get_task(project_name=value, task_name="train"),
        [each for each in NOT_A_NAME if each != ""],
        "project",
    ),
    "Task.set_comment": (lambda at, value: at.task.set_comment(value), NOT_A_TEXT, "comment"),
    "Task.connect(mutable=)": (
        lambda at, value: at.task.connect(value),
        [None, 5, 0, "", "a", b"x", [], ["a"], LARGE, {"": 1}, {"\ud800": 1}],
        "mutable|key",
    ),
    "Task.connect(name=)": (
        lambda at, value: at.task.connect(at.model, value), ["", *NOT_A_NAME], "name",
    ),
    **{
        f"Task.{method}(parameters=)": (
            lambda at, value, method=method: getattr(at.task, method)(value),
            [None, 5, "a", ["a"], {"": 1}, {5.5: "\ud800"}, {"a\0": 1}, {"x" * 5_000: 1}],
            "parameters|name|key",
        )
        for method in ("set_parameters", "update_parameters", "set_parameters_as_dict")
    },
    "Task.set_parameter(name=)": (
        lambda at, value: at.task.set_parameter(value, 1), NOT_A_NAME, "name|key",
    ),
    "Task.get_parameter(name=)": (
        lambda at, value: at.task.get_parameter(value), NOT_A_NAME, "name",
    ),
    "Task.delete_parameter(name=)": (
        lambda at, value: at.task.delete_parameter(value), NOT_A_NAME, "name",
    ),
    "Task.set_configuration_object(name=)": (
        lambda at, value: at.task.set_configuration_object(value, "a"), NOT_A_NAME, "name",
    ),
    "Task.set_configuration_object(config_text=)": (
        lambda at, value: at.task.set_configuration_object("a", value), [5, b"x", [], "\ud800"],
        "configuration",
    ),
    "Task.connect_configuration(configuration=)": (
        lambda at, value: at.task.connect_configuration(value),
        [None, 5, b"x", {"a": CYCLE}, [DEEP], {"a": "\ud800"}, "/nowhere/at/all", "/", "\0", {5}],
        "configuration|does not exist|cannot be read",
    ),
    "Task.connect_label_enumeration(enumeration=)": (
        lambda at, value: at.task.connect_label_enumeration(value),
        [5, "a", ["a"], {"a": "b"}, {5: 5}, {"a": 1.5}], "enumeration|label",
    ),
    "Task.upload_artifact(name=)": (
        lambda at, value: at.task.upload_artifact(value, {"a": 1}), NOT_A_NAME, "name",
    ),
    "Task.upload_artifact(artifact_object=)": (
        lambda at, value: at.task.upload_artifact("a", value),
        [object(), Path("/nowhere/at/all"), Path("/dev/null"), "\ud800", {"a": object()}, {(5,): 5},
         np.array([object()])],
        "artifact_object|no file|device",
    ),
    "Task.upload_artifact(metadata=)": (
        lambda at, value: at.task.upload_artifact("a", 1, value), [object(), {"a": object()}],
        "metadata",
    ),
    "Task.upload_artifact(extension_name=)": (
        lambda at, value: at.task.upload_artifact("a", 1, extension_name=value),
        ["", ".", "a/b", "..", " "], "extension_name",
    ),
    "Task.delete_artifacts(names)": (
        lambda at, value: at.task.delete_artifacts(value), [["gone"]], "no artifact",
    ),
    "Task.import_task(task_data)": (
        lambda at, value: Task.import_task(value),
        [None, 5, "a", b"x", [], {"name": 5}, {"name": "x" * 1_025}, {"tags": "a"},
         {"tags": ["\ud800"]}, {"script": []}, {"script": {"diff": 5}}, {"hyperparams": [1]},
         {"hyperparams": {"Args": 5}}, {"hyperparams": {"Args": {"lr": 5}}},
         {"hyperparams": {"Args": {"lr": {"value": []}}}}, {"hyperparams": {"": {}}},
         {"hyperparams": {5: {}}}, {"configuration": {"a": {"value": 5}}},
         {"execution": {"model_labels": {"a": "b"}}}, {"execution": {"artifacts": {}}},
         {"created": 5}, {"created": "yesterday"}, {"models": {"input": 5}}, {"comment": LARGE}],
        "task_data",
    ),
    "Task.import_task(target_task=)": (
        lambda at, value: Task.import_task({"name": "a"}, value), [5, "a", b"x", "f" * 32, LARGE],
        "task",
    ),
    "Task.update_task(task_data)": (
        lambda at, value: at.task.update_task(value), [None, 5, {"name": 5}], "task_data",
    ),
    "Task.import_offline_session(session_folder_zip)": (
        lambda at, value: Task.import_offline_session(value),
        [None, 5, "", "nowhere.zip", "a\0b", b"x", [], LARGE, "/dev/null"],
        "session_folder_zip|no file|device|does not exist",
    ),
    "Task.import_offline_session(previous_task_id=)": (
        lambda at, value: Task.import_offline_session(SESSION, value), [5, "a", b"x", "f" * 32],
        "task",
    ),
    "Task.import_offline_session(iteration_offset=)": (
        lambda at, value: Task.import_offline_session(SESSION, iteration_offset=value),
        ["one", 0.5, [], LARGE, 2**60], "iteration",
    ),
    "Task.get_tasks(task_name=)": (
        lambda at, value: Task.get_tasks(task_name=value), [5, b"x", "(", "\ud800"], "task_name",
    ),
    "Task.get_tasks(project_name=)": (
        lambda at, value: Task.get_tasks(project_name=value), [5, b"x", [5], [None]],
        "project_name",
    ),
    "Task.get_tasks(tags=)": (
        lambda at, value: Task.get_tasks(tags=value), NOT_A_TAG_FILTER, "tag",
    ),
    "Task.get_tasks(task_ids=)": (
        lambda at, value: Task.get_tasks(value), [5, [5], b"x"], "task_ids",
    ),
    "Task.query_tasks(task_filter=)": (
        lambda at, value: Task.query_tasks(task_filter=value), [{"order_by": 1}, {"status": 5}],
        "task_filter|status",
    ),
    "Task.clone(source_task=)": (
        lambda at, value: Task.clone(value), [None, 5, "a", b"x", "f" * 32], "task",
    ),
    "Task.clone(name=)": (
        lambda at, value: Task.clone(at.task, value),
        [each for each in NOT_A_NAME if each is not None], "name",
    ),
    "Task.clone(parent=)": (
        lambda at, value: Task.clone(at.task, parent=value), ["f" * 32, "a"], "task",
    ),
    **{
        f"Task.{method}(name=)": (
            lambda at, value, method=method: getattr(at.task, method)(value), NOT_A_NAME, "name",
        )
        for method in ("set_name", "rename")
    },
    **{
        f"Task.{method}(project=)": (
            lambda at, value, method=method: getattr(at.task, method)(None, value),
            [5, b"x", [], "\0", "\ud800", "x" * 5_000], "project",
        )
        for method in ("set_project", "move_to_project")
    },
    "Task.set_parent(parent=)": (
        lambda at, value: at.task.set_parent(value), [5, "a", "f" * 32], "task",
    ),
    **{
        f"Task.{method}(tags=)": (
            lambda at, value, method=method: getattr(at.task, method)(value),
            [5, [5], [None], [""], ["\0"]], "tag",
        )
        for method in ("set_tags", "add_tags", "remove_tags")
    },
    "Task.set_packages(packages=)": (
        lambda at, value: at.task.set_packages(value), [None, 5, [5], "/nowhere/at/all", "/"],
        "packages|requirements",
    ),
    "Task.mark_failed(status_reason=)": (
        lambda at, value: at.task.mark_failed(status_reason=value), ["\ud800"], "status_reason",
    ),
    "Task.mark_completed(status_message=)": (
        lambda at, value: at.task.mark_completed(status_message=value), [5, "\ud800"],
        "status_message",
    ),
    "Task.mark_stopped(status_message=)": (
        lambda at, value: at.task.mark_stopped(status_message=value), [5, "\ud800"],
        "status_message",
    ),
    "Task.set_input_model(model_id=)": (
        lambda at, value: at.task.set_input_model(value), [None, "", *NOT_AN_ID], "id",
    ),
    "Task.set_input_model(model_name=)": (
        lambda at, value: at.task.set_input_model(model_name=value),
        [None, "", *NOT_A_NAME],
        "model_name|model named",
    ),
    "Task.set_input_model(name=)": (
        lambda at, value: at.task.set_input_model(at.model.id, name=value),
        ["", *NOT_A_NAME],
        "name",
    ),
    "Task.remove_input_models(models_to_remove=)": (
        lambda at, value: at.task.remove_input_models(value), NOT_A_LIST_OF_NAMES,
        "models_to_remove",
    ),
    "Task.set_model_label_enumeration": (
        lambda at, value: at.task.set_model_label_enumeration(value),
        [None, *NOT_LABELS],
        "enumeration",
    ),
    "Task.set_model_config(config_text=)": (
        lambda at, value: at.task.set_model_config(config_text=value), NOT_A_TEXT, "config_text",
    ),
    "Task.set_model_config(config_dict=)": (
        lambda at, value: at.task.set_model_config(config_dict=value),
        NOT_A_CONFIG_DICT,
        "config_dict",
    ),
    "Registry(path=)": (lambda at, value: Registry(value), NOT_A_PATH, "path|cannot|x/x"),
    "Registry(durability=)": (
        lambda at, value: Registry(at.registry.path, durability=value),
        ["slow", "FULL", 5, True, b"full", LARGE, DEEP, ["full"], "\ud800"],
        "durability",
    ),
    "use_registry(path=)": (lambda at, value: use_registry(value), NOT_A_PATH, "path|cannot|x/x"),
    "Registry.models(project=)": (
        lambda at, value: at.registry.models(project=value), NOT_A_TEXT, "project",
    ),
    "Registry.models(name=)": (
        lambda at, value: at.registry.models(name=value), NOT_A_TEXT, "name",
    ),
    "Registry.models(tags=)": (
        lambda at, value: at.registry.models(tags=value), NOT_A_TAG_FILTER, "tag",
    ),
    "Registry.models(limit=)": (
        lambda at, value: at.registry.models(limit=value), NOT_A_LIMIT, "limit",
    ),
    "Registry.models(order_by=)": (
        lambda at, value: at.registry.models(order_by=value), NOT_A_TEXT, "order_by",
    ),
    "Registry.models(metadata=)": (
        lambda at, value: at.registry.models(metadata=value), NOT_A_METADATA_FILTER, "metadata",
    ),
    "Registry.models(metrics=)": (
        lambda at, value: at.registry.models(metrics=value), NOT_COMPARISONS, "metrics",
    ),
    "Registry.models(parameters=)": (
        lambda at, value: at.registry.models(parameters={"lr": value}),
        [(">", None), (">", float("nan")), ("=>", 1), ("<", b"a"), [(">", 1), ("<", [])], "\ud800"],
        "parameters",
    ),
    "Registry.query_models(project_name=)": (
        lambda at, value: at.registry.query_models(value), NOT_A_TEXT, "project",
    ),
    "Registry.query_models(max_results=)": (
        lambda at, value: at.registry.query_models(max_results=value), NOT_A_LIMIT, "max_results",
    ),
    "Registry.query_models(metrics=)": (
        lambda at, value: at.registry.query_models(metrics=value), NOT_COMPARISONS, "metrics",
    ),
    "Registry.tasks(name=)": (
        lambda at, value: at.registry.tasks(name=value), NOT_A_TEXT, "name",
    ),
    "Registry.tasks(tags=)": (
        lambda at, value: at.registry.tasks(tags=value), NOT_A_TAG_FILTER, "tag",
    ),
    "Registry.tasks(limit=)": (
        lambda at, value: at.registry.tasks(limit=value), NOT_A_LIMIT, "limit",
    ),
    "Registry.tasks(order_by=)": (
        lambda at, value: at.registry.tasks(order_by=value), NOT_A_TEXT, "order_by",
    ),
    "Registry.tasks(metrics=)": (
        lambda at, value: at.registry.tasks(metrics=value), NOT_COMPARISONS, "metrics",
    ),
    "Registry.model(reference=)": (
        lambda at, value: at.registry.model(value), NOT_A_REFERENCE, "reference",
    ),
    "Registry.set_alias(ref=)": (
        lambda at, value: at.registry.set_alias(value, "prod"), NOT_A_REFERENCE, "ref",
    ),
    "Registry.set_alias(alias=)": (
        lambda at, value: at.registry.set_alias(at.model, value), NOT_AN_ALIAS, "alias",
    ),
    "Registry.set_alias(expect=)": (
        lambda at, value: at.registry.set_alias(at.model, "new", expect=value),
        [each for each in NOT_A_REFERENCE if each is not None],
        "expect|reference",
    ),
    "Registry.set_alias(override=)": (
        lambda at, value: at.registry.set_alias(at.model, "new", override=value),
        [*NOT_A_TEXT, "", " ", "a\0b", "x" * 1_001],
        "override",
    ),
    "Registry.protect(name=)": (
        lambda at, value: at.registry.protect(value, "published"), NOT_A_PLACE_OF_AN_ALIAS, "name",
    ),
    "Registry.protect(require=)": (
        lambda at, value: at.registry.protect("m@new", value), NOT_CONDITIONS, "require",
    ),
    "Registry.protect(override=)": (
        lambda at, value: at.registry.protect("m@new", "published", override=value),
        [*NOT_A_TEXT, "", " ", "a\0b", "x" * 1_001],
        "override",
    ),
    "Registry.unprotect(name=)": (
        lambda at, value: at.registry.unprotect(value), NOT_A_PLACE_OF_AN_ALIAS, "name",
    ),
    "Registry.gate(name=)": (
        lambda at, value: at.registry.gate(value), NOT_A_PLACE_OF_AN_ALIAS, "name",
    ),
    "Registry.remove_alias(ref=)": (
        lambda at, value: at.registry.remove_alias(value, "prod"), NOT_A_REFERENCE, "ref",
    ),
    "Registry.remove_alias(alias=)": (
        lambda at, value: at.registry.remove_alias(at.model, value),
        [*NOT_AN_ALIAS, "not set"],
        "alias",
    ),
    "Registry.restore(reference=)": (
        lambda at, value: at.registry.restore(value), NOT_A_REFERENCE, "reference",
    ),
    "Task.set_progress": (
        lambda at, value: at.task.set_progress(value), [None, 101, *NO_NUMBER[1:]], "progress",
    ),
    "Task.set_system_tags": (
        lambda at, value: at.task.set_system_tags(value), NOT_TAGS, "system_tags",
    ),
    "Task.set_task_type": (
        lambda at, value: at.task.set_task_type(value), [None, *NOT_A_TEXT], "task_type",
    ),
    "Task.set_repo(branch=)": (
        lambda at, value: at.task.set_repo(branch=value), NOT_A_TEXT, "branch",
    ),
    "Task.set_script(diff=)": (
        lambda at, value: at.task.set_script(diff=value), NOT_A_TEXT, "diff",
    ),
    "Task.set_user_properties": (
        lambda at, value: at.task.set_user_properties(value), [5, "a", b"a", [5], object(), LARGE],
        "propert",
    ),
    "Task.delete_user_properties": (
        lambda at, value: at.task.delete_user_properties(value),
        [5, "a", {"section": "a"}, [5], [("a",)], ["ab"], [{}], object(), LARGE], "section",
    ),
    "Task.get_projects(name=)": (
        lambda at, value: Task.get_projects(name=value, registry=at.registry),
        [*NOT_A_TEXT, "("], "name",
    ),
    "Task.register_artifact(artifact=)": (
        lambda at, value: at.task.register_artifact("a", value),
        [None, *NOT_A_TEXT], "artifact",
    ),
    **{
        f"Task.{method}": (
            lambda at, value, method=method: getattr(at.task, method)(value), NO_NUMBER, named,
        )
        for method, named in (
            ("get_reported_console_output", "number_of_reports"),
            ("get_reported_plots", "max_iterations"),
        )
    },
    "Task.get_debug_samples(title=)": (
        lambda at, value: at.task.get_debug_samples(value, "s"), NOT_A_TEXT, "title",
    ),
    "Task.get_all_reported_scalars": (
        lambda at, value: at.task.get_all_reported_scalars(value), [None, *NOT_A_TEXT], "x_axis",
    ),
    "Task.set_initial_iteration": (
        lambda at, value: at.task.set_initial_iteration(value),
        [0.5, "x", [1], b"x", object(), LARGE], "iteration",
    ),
    "Task.wait_for_status(status=)": (
        lambda at, value: at.task.wait_for_status(value), NOT_A_STATUS, "status",
    ),
    "Task.wait_for_status(check_interval_sec=)": (
        lambda at, value: at.task.wait_for_status(check_interval_sec=value),
        [0, -1, "1", None, [], object()], "check_interval_sec",
    ),
    "Task.create_function_task(func=)": (
        lambda at, value: at.task.create_function_task(value), [None, 5, "a", [], LARGE], "func",
    ),
    **{
        f"StorageManager.{method}(remote_url=)": (
            lambda at, value, method=method: getattr(StorageManager, method)(value),
            NOT_A_REMOTE_URL, "remote_url",
        )
        for method in ("list", "exists_file", "get_file_size_bytes", "get_metadata",
                       "download_folder")
    },
    **{
        f"StorageManager.{method}(remote_url=)": (
            lambda at, value, method=method: getattr(StorageManager, method)(
                value, registry=at.registry
            ),
            NOT_A_REMOTE_URL, "remote_url",
        )
        for method in ("get_stream", "download_file")
    },
    **{
        f"StorageManager.{method}(remote_url=)": (
            lambda at, value, method=method: getattr(StorageManager, method)(
                at.file, value, registry=at.registry
            ),
            NOT_A_REMOTE_URL, "remote_url",
        )
        for method in ("upload_file", "upload_folder")
    },
    "Registry.history(limit=)": (
        lambda at, value: at.registry.history(value), NOT_A_LIMIT, "limit",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    """One registry for all tests of this file: none of them may change it."""
    folder = tmp_path_factory.mktemp("bad-input")
    file = folder / "m.pt"
    file.write_bytes(b"weights")
    key = folder / "key.pem"
    key.write_bytes(private_pem(new_key()))
    with Registry(folder / "registry", durability="fast") as registry:
        model = InputModel.import_model(
            file, config_text="a = 1", label_enumeration={"x": 1}, name="m", project="p",
            tags=["t"], comment="c", metadata={"k": "v"}, copy=True,
        )  # fmt: skip
        task = Task.create("p", "train")
        model.connect(task, "a")
        registry.set_alias(model, "prod")
        output = OutputModel(task, name="o")
        dataset = Dataset.create("d", "p", registry=registry)
        dataset.add_files(file)
        final = Dataset.create("final", "p", parent_datasets=[], registry=registry)
        final.add_files(file)
        final.finalize(auto_upload=True)
        final.get_local_copy()
        look = registry.db.conn
        yield SimpleNamespace(
            registry=registry,
            model=model,
            output=output,
            task=task,
            look=look,
            file=file,
            key=key,
            dataset=dataset,
            final=final,
        )


def state(at):
    files = sorted(
        str(path) for path in at.registry.path.rglob("*") if "registry.db" not in path.name
    )
    return "\n".join(itertools.chain(at.look.iterdump(), files))


def problem_with(at, call, value, named, before):
    """Return what is wrong with the answer to a bad value, or None."""
    try:
        call(at, value)
    except LocalregError as error:
        text = str(error)
        text.encode()  # it can be printed and logged
        if not re.search(named, text):
            return f"does not name {named}: {text:.200}"
        if not isinstance(error, ValueError | LookupError | OSError):
            return f"is a {type(error).__mro__}"
        if "defect of localreg" in text or len(text) > 20_000:
            return f"is no message for users: {text:.200}"
    except Exception as error:  # noqa: BLE001  (any other error is what the test looks for)
        return f"raises {type(error).__name__}: {error!s:.200}"
    else:
        return "is accepted"
    return None if state(at) == before else "changes the registry"


@pytest.mark.parametrize(("call", "values", "named"), CALLS.values(), ids=CALLS)
def test_bad_input_is_an_error_that_names_the_argument_and_changes_nothing(
    call, values, named, at, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = state(at)
    problems = {
        f"{number} {label(value)}": problem
        for number, value in enumerate(values)
        if (problem := problem_with(at, call, value, named, before))
    }
    assert problems == {}
    assert Task.current_task() is None
    assert list(tmp_path.iterdir()) == []


def test_every_public_method_with_arguments_is_in_the_table():
    """Those of reports are in tests/operations/reports."""
    without_arguments = {
        "is_final", "is_dirty", "get_dependency_graph", "get_default_storage",
        "adopt", "du", "lineage", "trusted_keys",
        "archive", "unarchive", "publish", "get_all_metadata", "get_all_metadata_casted", "close",
        "current_task", "get_project_name", "get_tags", "get_labels_enumeration",
        "get_model_config_text", "get_model_config_dict", "flush", "get_logger",
        "add_requirements", "force_requirements_env_freeze", "set_random_seed", "set_credentials",
        "set_offline", "is_offline", "get_offline_mode_folder",
        "running_locally", "is_main_task", "reload",
        "get_reported_single_value", "get_status", "get_status_message", "get_last_iteration",
        "get_script", "export_task",
        "ignore_requirements", "set_base_docker", "get_output_log_web_page",
        "get_requirements", "is_current_task", "TaskTypes", "render",
        "get_reported_scalars", "get_last_scalar_metrics", "get_reported_single_values",
        "revisions", "force_store_standalone_script", "register_abort_callback",
        "set_cache_file_limit", "set_report_upload_chunk_size", "set_report_download_chunk_size",
    }  # fmt: skip
    flags_only = {
        "completed",
        "get_executed_queue",
        "get_user_properties",
        "publish_on_completion",
        "set_archived",
        "started",
        "stopped",
        "finalize",
        "get_num_chunks",
        "get_parameters",
        "get_parameters_as_dict",
        "mark_started",
        "delete",
        "execute_remotely",
        "get_configuration_object",
        "get_configuration_object_as_dict",
        "figures",
        "get_weights",
        "get_weights_package",
        "verify",
        "repair",
    }
    elsewhere = {  # tests/api/test_task_members.py, tests/guarantees/test_paths_of_users.py
        "update_output_model", "update_model_desc", "save_exec_model_design_file", "get_by_name",
        "normalize_id", "resolve_id", "get_project_id", "get_task_output_log_web_page",
        "debug_simulate_remote_task", "get_output_destination", "unregister_artifact",
        "set_resource_monitor_iteration_timeout",
    }  # fmt: skip
    named = " ".join(CALLS)
    for kind in (InputModel, OutputModel, Task, Registry, StorageManager, Dataset):
        for name in dir(kind):
            value = getattr(kind, name)
            if name.startswith(("_", "report_")) or not inspect.isroutine(value):
                continue
            if name in NOT_SUPPORTED.get(kind.__name__, ()) or name in elsewhere:
                continue
            if not inspect.signature(value).parameters.keys() - {"self", "registry"}:
                continue
            if name not in without_arguments | flags_only:
                assert name in named, f"{kind.__name__}.{name}"


def test_a_removal_that_fails_returns_false_without_raise_on_errors(at, caplog):
    before = state(at)
    for wrong in (None, 5, "", "f" * 32, "\ud800", at.task):
        caplog.clear()
        assert InputModel.remove(wrong) is False
        assert "not removed" in caplog.text
    assert state(at) == before


def test_any_value_serves_as_a_flag(registry):
    """A flag counts as its truth value, as in Python; the value never reaches the database."""
    for value in ([], "", 0, None):
        model = InputModel.import_model(
            f"s3://bucket/{value!r}.pt", is_package=value, create_as_published=value
        )
        assert (model.published, model.system_tags) == (False, [])
        assert InputModel.load_model("s3://bucket/other.pt", load_archived=value) is None
        found = InputModel.query_models(only_published=value, include_archived=value)
        assert model in found
    model.archive()
    assert InputModel.load_model(model.url, load_archived=[1]) == model
    assert InputModel.load_model(model.url, load_archived=None) is None
    assert model in InputModel.query_models(include_archived="yes")
