"""Which values are secrets, and how they are shown."""

from __future__ import annotations

import pytest

from localreg.values.secrets import (
    HIDDEN,
    is_secret_name,
    masked,
    masked_arguments,
    masked_config,
    masked_json,
    masked_text,
)

SECRET_NAMES = """
key api_key apiKey API_KEY APIKey ssh-key aws.secret_access_key AWS_SECRET_ACCESS_KEY private_key
token hf_token HF-TOKEN accessToken wandb/token authToken2 password db_password Password passwd pwd
user_pwd DB_PASSWORD_FILE secret client_secret secrets secretName credentials aws_credentials
passphrase apikey password1 Args/token --token +model.token
""".split()
OPEN_NAMES = """
lr monkey keyboard keyword keys n_keys num_keys key_size key_dim keyed hockey turkey tokens
max_tokens num_tokens tokenizer token_count tokenize passing compass bypass passes secretary path
seed batch_size key/lr token/size password/lr "" 1 _
""".split()


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_of_secrets(name):
    """A password or secret anywhere in the last part of a name; a key or token at its end."""
    assert is_secret_name(name)


@pytest.mark.parametrize("name", OPEN_NAMES)
def test_names_of_other_values(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("token", "abc", HIDDEN),
        ("password", "1234", HIDDEN),
        ("token", "3", "3"),
        ("key", "0.5", "0.5"),
        ("key", "12345678901", HIDDEN),
        ("secret_key", "3", HIDDEN),
        ("password", "", ""),
        ("password", "None", "None"),
        ("use_token", "True", "True"),
        ("lr", "0.1", "0.1"),
        ("data", "https://me:abc@x.org/a", "https://***@x.org/a"),
        ("data", "jdbc:postgresql://me:abc@x.org/a", "jdbc:postgresql://***@x.org/a"),
        ("data", '["s3://a/b", "https://abc@x.org"]', '["s3://a/b", "https://***@x.org"]'),
        ("data", "https://x.org/a?sig=abc#abc", "https://x.org/a?sig=***"),
        ("data", "https://[abc", "https:…"),
        ("data", "https://***@x.org/a?b=***", "https://***@x.org/a?b=***"),
        ("data", "file:///data/a", "file:///data/a"),
    ],
)
def test_values(name, value, shown):
    assert masked(name, value) == shown
    assert masked(name, shown) == shown, "what is masked stays as it is"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("--token abc --lr 1", "--token *** --lr 1"),
        ("--token=abc", "--token=***"),
        ("--token --lr 1", "--token --lr 1"),
        ("--password -abc", "--password ***"),
        (
            "db.password=abc +api_key=abc ~x.secret=abc",
            "db.password=*** +api_key=*** ~x.secret=***",
        ),
        ("--url=https://me:abc@x.org", "--url=https://***@x.org"),
        ("https://me:abc@x.org", "https://***@x.org"),
        ("fit --monkey abc", "fit --monkey abc"),
    ],
)
def test_arguments(words, shown):
    assert masked_arguments(words.split()) == shown.split()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"db": {"password": "abc", "port": 3}}', '{"db": {"password": "***", "port": 3}}'),
        ("token: abc\nlr: 0.1\n", "token: ***\nlr: 0.1\n"),
        ("[a]\nsecret_key = abc\nregion = eu\n", "[a]\nsecret_key = ***\nregion = eu\n"),
        ('api_key = "a\\"bc"\n', 'api_key = "***"\n'),
        ("key: 3\ntoken:\n  - a\n", "key: 3\ntoken:\n  - a\n"),
        ("url: https://me:abc@x.org/a\n", "url: https://***@x.org/a\n"),
        ("sort_keys: abc\n", "sort_keys: abc\n"),
    ],
)  # fmt: skip
def test_configurations(text, shown):
    assert masked_config(text) == shown


def test_json_values_are_masked_by_their_names():
    given = {"new": ["abc", "str"], "token": ["abc"], "n": 3, "deep": {"password": {"x": "abc"}}}
    assert masked_json(given) == {
        "new": ["abc", "str"], "token": [HIDDEN], "n": 3, "deep": {"password": {"x": "abc"}},
    }  # fmt: skip
    assert masked_json({"old": None, "new": ["abc", "str"]}, "x")["new"] == ["abc", "str"]


@pytest.mark.parametrize("piece", ["a", "a:", "a://", '"a', "a.-", " ", "'x':'", "\\"])
def test_long_texts_take_time_in_proportion_to_their_length(piece):
    """No expression backtracks: with a square of the length this would take hours."""
    text = piece * 300_000
    masked_text(text)
    masked_config(text)
