"""The signatures of the user's reference page: names, order and defaults are the same.

The tables are transcribed from the page by hand. Extensions are keyword-only and
come after what the page has.
"""

from __future__ import annotations

import ast
import inspect

import pytest

from localreg import InputModel

CONSTRUCTOR = "InputModel(model_id=None, name=None, project=None, tags=None, only_published=False)"

PROPERTIES = (
    "comment", "config_dict", "config_text", "framework", "id", "labels", "name",
    "original_task", "project", "published", "system_tags", "tags", "task", "url",
)  # fmt: skip

CLASS_METHODS = (
    "empty(config_text=None, config_dict=None, label_enumeration=None)",
    "import_model(weights_url, config_text=None, config_dict=None, label_enumeration=None,"
    " name=None, project=None, tags=None, comment=None, is_package=False,"
    " create_as_published=False, framework=None)",
    "load_model(weights_url, load_archived=False)",
    "query_models(project_name=None, model_name=None, tags=None, only_published=False,"
    " include_archived=False, max_results=None, metadata=None)",
    "remove(model, delete_weights_file=True, force=False, raise_on_errors=False)",
)

METHODS = (
    "archive()",
    "connect(task, name=None, ignore_remote_overrides=False)",
    "get_all_metadata()",
    "get_all_metadata_casted()",
    "get_local_copy(extract_archive=None, raise_on_error=False, force_download=False)",
    "get_metadata(key)",
    "get_metadata_casted(key)",
    "get_weights(raise_on_error=False, force_download=False, extract_archive=False)",
    "get_weights_package(return_path=False, raise_on_error=False, force_download=False,"
    " extract_archive=True)",
    "publish()",
    "set_all_metadata(metadata, replace=True)",
    "set_metadata(key, value, v_type=None)",
    "unarchive()",
)

REPORTS = (
    "report_confusion_matrix(title, series, matrix, iteration=None, xaxis=None, yaxis=None,"
    " xlabels=None, ylabels=None, yaxis_reversed=False, comment=None, extra_layout=None)",
    "report_histogram(title, series, values, iteration=None, labels=None, xlabels=None,"
    " xaxis=None, yaxis=None, mode=None, data_args=None, extra_layout=None)",
    "report_line_plot(title, series, xaxis, yaxis, mode='lines', iteration=None,"
    " reverse_xaxis=False, comment=None, extra_layout=None)",
    "report_matrix(title, series, matrix, iteration=None, xaxis=None, yaxis=None,"
    " xlabels=None, ylabels=None, yaxis_reversed=False, extra_layout=None)",
    "report_scalar(title, series, value, iteration)",
    "report_scatter2d(title, series, scatter, iteration=None, xaxis=None, yaxis=None,"
    " labels=None, mode='line', comment=None, extra_layout=None)",
    "report_scatter3d(title, series, scatter, iteration=None, xaxis=None, yaxis=None,"
    " zaxis=None, labels=None, mode='markers', fill=False, comment=None, extra_layout=None)",
    "report_single_value(name, value)",
    "report_surface(title, series, matrix, iteration=None, xaxis=None, yaxis=None, zaxis=None,"
    " xlabels=None, ylabels=None, camera=None, comment=None, extra_layout=None)",
    "report_table(title, series, iteration=None, table_plot=None, csv=None, url=None,"
    " extra_layout=None)",
    "report_vector(title, series, values, iteration=None, labels=None, xlabels=None,"
    " xaxis=None, yaxis=None, mode=None, extra_layout=None)",
)

REQUIRED = inspect.Parameter.empty


def name_of(signature):
    return signature.partition("(")[0]


def on_the_page(signature):
    """Return ``[(parameter, default)]`` of a signature as the page prints it."""
    arguments = ast.parse(f"def {signature}: pass").body[0].args
    defaults = [ast.literal_eval(node) for node in arguments.defaults]
    required = [REQUIRED] * (len(arguments.args) - len(defaults))
    names = [each.arg for each in arguments.args]
    return list(zip(names, required + defaults, strict=True))


def in_localreg(call):
    """Return ``[(parameter, default)]`` of a signature, and its keyword-only parameters."""
    parameters = list(inspect.signature(call).parameters.values())
    plain = [
        (each.name, each.default)
        for each in parameters
        if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and each.name != "self"
    ]
    extensions = [each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
    others = {each.kind for each in parameters} - {
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    }
    assert not others
    return plain, extensions


def assert_as_on_the_page(call, signature):
    plain, extensions = in_localreg(call)
    assert plain == on_the_page(signature)
    # True == 1, so the types are compared too.
    assert [type(default) for _, default in plain] == [
        type(default) for _, default in on_the_page(signature)
    ]
    for extension in extensions:
        assert extension.default is not REQUIRED, f"{extension.name} must have a default"


def test_the_page_has_44_signatures():
    calls = [CONSTRUCTOR, *CLASS_METHODS, *METHODS, *REPORTS]
    names = [name_of(each) for each in calls] + list(PROPERTIES)
    assert len(names) == len(set(names)) == 44
    assert (len(PROPERTIES), len(CLASS_METHODS) + len(METHODS), len(REPORTS)) == (14, 18, 11)


def test_the_constructor_takes_what_the_page_says():
    assert_as_on_the_page(InputModel, CONSTRUCTOR)


@pytest.mark.parametrize("name", PROPERTIES)
def test_property_of_the_page(name):
    assert isinstance(inspect.getattr_static(InputModel, name), property)


@pytest.mark.parametrize("signature", CLASS_METHODS, ids=name_of)
def test_class_method_of_the_page(signature):
    name = name_of(signature)
    assert isinstance(inspect.getattr_static(InputModel, name), classmethod)
    assert_as_on_the_page(getattr(InputModel, name), signature)


@pytest.mark.parametrize("signature", METHODS + REPORTS, ids=name_of)
def test_method_of_the_page(signature):
    name = name_of(signature)
    assert inspect.isfunction(inspect.getattr_static(InputModel, name))
    assert_as_on_the_page(getattr(InputModel, name), signature)


@pytest.mark.parametrize("name", ["comment", "name", "project", "system_tags", "tags"])
def test_settable_properties_have_setters(name):
    assert inspect.getattr_static(InputModel, name).fset is not None


@pytest.mark.parametrize(
    "name", ["config_dict", "config_text", "framework", "id", "labels", "original_task",
             "published", "task", "url", "archived"]
)  # fmt: skip
def test_the_other_properties_are_read_only(name, registry):
    model = InputModel.import_model("s3://bucket/a.pt", name="a")
    with pytest.raises(AttributeError):
        setattr(model, name, None)


def test_the_extensions_are_these():
    """An extension is a decision: who adds one adds it here."""
    found = {
        name_of(each): [extension.name for extension in extensions]
        for each in (CONSTRUCTOR, *CLASS_METHODS, *METHODS, *REPORTS)
        for _, extensions in [
            in_localreg(InputModel if each == CONSTRUCTOR else getattr(InputModel, name_of(each)))
        ]
        if extensions
    }
    assert found == {
        "InputModel": ["registry"],
        "get_local_copy": ["file", "mutable", "target_folder"],
        "import_model": ["copy", "expected_sha256", "metadata", "registry"],
        "load_model": ["registry"],
        "query_models": ["order_by", "metrics", "parameters", "registry"],
        "remove": ["registry"],
        "report_table": ["extra_data"],
    }


def test_logger_import_model_is_that_of_input_model():
    from localreg import Logger

    assert Logger.import_model == InputModel.import_model
