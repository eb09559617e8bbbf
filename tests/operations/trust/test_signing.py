"""Models are signed and checked by keys; nothing of their files is read for that: P43."""

from __future__ import annotations

from hashlib import sha256

import pytest
from support import foreign_signatures as foreign
from support.remotes import forget_bytes, pushed
from support.signed_models import record_signature

from localreg import Dataset, InputModel, OutputModel, Registry, Task
from localreg.errors import ConflictError, NoWeightsError, ReadOnlyRegistryError, SignatureError
from localreg.operations.finding.references import resolve_model
from localreg.operations.trust.keys import SigningKey, add_key, signing_key, trusted_file
from localreg.operations.trust.signing import attach, sign, verify
from localreg.operations.weights.signatures import files_of_weights
from localreg.store.rows import model_rows

KEY = foreign.new_key()


@pytest.fixture
def models(registry, folder, weights):
    """A package and a single file, by their references."""
    registry.add(folder, "resnet", project="vision")
    registry.add(weights, "vit", project="vision")
    return "vision/resnet:1", "vision/vit:1"


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "Ed25519"])
def test_what_a_key_signs_counts_by_that_key_only(registry, models, found, key_file, curve):
    key, other = foreign.new_key(curve), foreign.new_key(curve)
    chain = registry._chain
    for model in map(found, models):
        assert sign(chain, model, signing_key(key_file(key))).new
        assert not sign(chain, model, signing_key(key_file(key))).new
        (good,) = verify(chain, model, trusted_file("key", key_file(key, public=True)))
        assert (good.valid, good.reason) == (True, None)
        with pytest.raises(SignatureError, match="neither given nor trusted"):
            verify(chain, model, trusted_file("key", key_file(other, "other", public=True)))
        with pytest.raises(SignatureError, match="neither given nor trusted"):
            verify(chain, model, chain.first)
    add_key(chain.first, key_file(key, public=True), "release")
    assert [each.signer for each in verify(chain, found(models[0]), chain.first)] == ["release"]
    text = repr(registry.sign(models[0], key_file(key)))  # notebooks print it
    assert text.startswith("SignatureFile(digest='")
    assert "mediaType" not in text


def test_a_signature_made_elsewhere_is_kept_once(registry, folder, models, found, tmp_path):
    key, chain = foreign.new_key(), registry._chain
    model = found(models[0])
    listed = files_of_weights(chain, model, served(registry, model))
    files = {each.name: each.digest for each in listed}
    file = tmp_path / "model.sig"
    file.write_bytes(foreign.signed(files, key))
    assert attach(chain, model, file).new
    assert not attach(chain, model, file).new
    file.write_bytes(foreign.signed(files | {"more.txt": "0" * 64}, key))
    with pytest.raises(SignatureError, match=r"vision/resnet:1 does not have more\.txt"):
        attach(chain, model, file)


def served(registry, model):
    with registry._chain.first.store.read() as connection:
        return model_rows.current_weights(connection, model.id)


def test_other_weights_of_a_model_are_not_signed_until_they_are(
    registry, found, key_file, tmp_path
):
    """A signature is of the bytes, and not of the model; the first bytes stay signed."""
    made = OutputModel(Task.create("vision", "train"), name="vit")
    for content in (b"one", b"two"):
        (tmp_path / "w.pt").write_bytes(content)
        made.update_weights(tmp_path / "w.pt", async_enable=False)
        if content == b"one":
            registry.sign(made.id, key_file(KEY))
    public = key_file(KEY, public=True)
    with pytest.raises(SignatureError, match="it is not signed"):
        registry.verify_signature(made.id, key=public)
    assert registry.sign(made.id, key_file(KEY)).new
    assert len(registry.verify_signature(made.id, key=public)) == 1


def test_weights_that_change_while_they_are_signed_are_an_error(registry, key_file, tmp_path):
    """What the key has signed is not what the model has any more."""
    made = OutputModel(Task.create("vision", "train"), name="vit")
    path = tmp_path / "w.pt"
    path.write_bytes(b"one")
    made.update_weights(path, async_enable=False)

    class SlowKey:
        """A key whose owner needs some time to type the password."""

        def __init__(self, key):
            self.public, self._key = key.public, key

        def signature(self, data):
            path.write_bytes(b"two")
            made.update_weights(path, async_enable=False)
            return self._key.signature(data)

    key = SigningKey(SlowKey(signing_key(key_file(KEY)).key))
    chain = registry._chain
    with pytest.raises(ConflictError, match="got other weights while they were signed"):
        sign(chain, resolve_model(chain, made.id), key)
    assert [each.kind for each in registry.history() if each.kind == "model.signed"] == []


def test_models_of_others_are_checked_and_not_signed(registry, models, key_file, tmp_path):
    registry.sign("vision/vit", key_file(KEY))
    public = key_file(KEY, public=True)
    with Registry(tmp_path / "own", upstream=[registry.path], durability="fast") as below:
        assert below.verify_signature("vision/vit", key=public)[0].valid
        with pytest.raises(ReadOnlyRegistryError):
            below.sign("vision/resnet", key_file(KEY))
    with Registry(registry.path, readonly=True) as reading:
        assert reading.verify_signature("vision/vit", key=public)[0].valid
        for call in (
            lambda: reading.sign("vision/resnet", key_file(KEY)),
            lambda: reading.add_key(public),
            lambda: reading.attach_signature("vision/vit", public),
        ):
            with pytest.raises(ReadOnlyRegistryError):
                call()


def test_data_sets_are_signed_as_models_are(registry, folder, key_file):
    made = Dataset.create("cats", "vision")
    made.add_files(folder)
    made.finalize(auto_upload=True)
    assert len(registry.sign(made.id, key_file(KEY)).files) == 2
    assert registry.verify_signature(made.id, key=key_file(KEY, public=True))[0].valid


def test_what_only_a_remote_has_is_signed_without_its_weights(registry, models, key_file, tmp_path):
    """Of a package the list of its files is fetched, and nothing else."""
    pushed(registry, tmp_path / "remote")
    forget_bytes(registry)
    for ref in models:
        registry.sign(ref, key_file(KEY))
        assert registry.verify_signature(ref, key=key_file(KEY, public=True))[0].valid
    here = [each for each in (registry.path / "blobs").rglob("*") if each.is_file()]
    assert len(here) == 3  # two signatures, and the list


def test_a_signature_whose_file_only_a_remote_has_is_fetched(registry, models, key_file, tmp_path):
    public = key_file(KEY, public=True)
    for ref in models:
        registry.sign(ref, key_file(KEY))
    pushed(registry, tmp_path / "remote")
    forget_bytes(registry)
    assert registry.verify_signature(models[1], key=public)[0].valid
    (tmp_path / "remote").rename(tmp_path / "gone")
    with pytest.raises(SignatureError, match=r"is not here: the weights .* looked for"):
        registry.verify_signature(models[0], key=public)


def test_what_was_never_read_cannot_be_signed(registry, key_file, weights):
    for url, remedy in (
        ("https://example.org/net.pt", "`localreg path vision/net:1` fetches them"),
        (weights.as_uri(), "import it with a copy"),
    ):
        model = InputModel.import_model(url, name="net", project="vision")
        with pytest.raises(SignatureError, match=remedy):
            registry.sign(model.id, key_file(KEY))
        InputModel.remove(model)
    task = OutputModel(Task.create("vision", "train"), name="empty")
    with pytest.raises(NoWeightsError, match="has no weights"):
        registry.sign(task.id, key_file(KEY))


def test_a_damaged_signature_file_does_not_count(registry, models, key_file):
    digest = registry.sign("vision/vit", key_file(KEY)).digest
    path = registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with pytest.raises(SignatureError, match="is damaged"):
        registry.verify_signature("vision/vit", key=key_file(KEY, public=True))
    with pytest.raises(SignatureError, match="is damaged"):
        registry.signature("vision/vit")


def test_a_list_of_files_that_has_another_sha256_does_not_count(registry, models, found, key_file):
    """Who may write to a database could show a signed list, and give out another one later."""
    model, key = found(models[0]), foreign.new_key()
    listed = files_of_weights(registry._chain, model, served(registry, model))
    files = {each.name.replace("model.", "other."): each.digest for each in listed}
    record_signature(registry._chain.first, model.id, foreign.signed(files, key), signer="x")
    trusted = trusted_file("key", key_file(key, public=True))
    with pytest.raises(SignatureError, match=r"does not have other\.safetensors"):
        verify(registry._chain, model, trusted)
    forged = "UPDATE tree_file SET path = 'other.safetensors' WHERE path = 'model.safetensors'"
    with registry._chain.first.store.write() as change:
        change.connection.execute(forged)
    with pytest.raises(SignatureError, match="the list of its files is not here, or damaged"):
        verify(registry._chain, model, trusted)


def test_a_signature_that_names_no_key_counts_by_any_that_is_trusted(
    registry, models, key_file, tmp_path
):
    """As older programs write it."""
    digest = sha256(b"weights").hexdigest()
    file = tmp_path / "old.sig"
    file.write_bytes(
        foreign.signed(
            {".": digest}, KEY, verificationMaterial={"publicKey": {}, "tlogEntries": []}
        )
    )
    assert registry.attach_signature("vision/vit", file).signer == ""
    assert registry.verify_signature("vision/vit", key=key_file(KEY, public=True))[0].valid
    stranger = key_file(foreign.new_key(), "stranger", public=True)
    with pytest.raises(SignatureError, match="made by another key, or changed since"):
        registry.verify_signature("vision/vit", key=stranger)


def test_a_signature_far_larger_than_its_files_need_is_not_read(registry, models, tmp_path):
    """Who may add signatures must not make everybody read 16 MiB for each."""
    digest = sha256(b"weights").hexdigest()
    predicate = foreign.statement_of({".": digest})["predicate"]
    predicate["serialization"]["ignore_paths"] = ["x" * 4_000] * 400
    file = tmp_path / "large.sig"
    file.write_bytes(foreign.signed({".": digest}, KEY, predicate=predicate))
    with pytest.raises(SignatureError, match="are possible for these files"):
        registry.attach_signature("vision/vit", file)


def sign_at_once(number, barrier, path):
    from localreg import Registry

    barrier.wait()
    with Registry() as registry:
        registry.sign("vision/vit", path)
        registry.sign("vision/resnet", path)
    return number


def test_processes_that_sign_at_once_lose_nothing(registry, models, key_file, children):
    """Each of them may keep a signature; all of these count."""
    assert children.crowd(4, sign_at_once, key_file(KEY)) == [0, 1, 2, 3]
    for ref in models:
        found = registry.verify_signature(ref, key=key_file(KEY, public=True))
        assert 1 <= len(found) <= 4
        assert all(each.valid for each in found)
    assert registry.verify().ok


# What somebody records as a signature of the package by a key that is trusted, and the reason.
RECORDED = {
    "other bytes": (
        lambda files: files | {"model.safetensors": "0" * 64}, "other bytes were signed",
    ),
    "swapped": (
        lambda files: dict(zip(files, [*files.values()][::-1], strict=True)),
        "other bytes were signed of",
    ),
    "a file less": (lambda files: dict([*files.items()][1:]), "not signed: "),
    "a file more": (lambda files: files | {"more.py": "0" * 64}, "which it lists"),
    "another name": (
        lambda files: {f"{name}.py": digest for name, digest in files.items()}, "which it lists",
    ),
    "another model": (lambda _: {".": sha256(b"weights").hexdigest()}, "which it lists"),
    "nothing": (lambda _: {}, "not signed: "),
}  # fmt: skip


@pytest.mark.parametrize(("forged", "reason"), RECORDED.values(), ids=RECORDED)
def test_a_true_signature_of_other_files_does_not_count(
    registry, models, found, key_file, forged, reason
):
    """Whoever may add events may claim that any signature is of these weights."""
    model = found(models[0])
    listed = files_of_weights(registry._chain, model, served(registry, model))
    data = foreign.signed(forged({each.name: each.digest for each in listed}), KEY)
    public = key_file(KEY, public=True)
    signer = trusted_file("key", public)[0].id
    record_signature(registry._chain.first, model.id, data, signer=signer)
    with pytest.raises(SignatureError, match=reason):
        registry.verify_signature(models[0], key=public)
    with pytest.raises(SignatureError):
        registry.verify_signature(models[1], key=public)
    assert registry.sign(models[0], key_file(KEY)).new


def test_a_file_that_is_no_signature_does_not_count(registry, models, found, key_file):
    public = key_file(KEY, public=True)
    for data in (b"", b"{}", b"weights"):
        record_signature(registry._chain.first, found(models[1]).id, data)
    with pytest.raises(SignatureError, match="'ann': it is no JSON"):
        registry.verify_signature(models[1], key=public)
    registry.sign(models[1], key_file(KEY))
    assert [each.valid for each in registry.verify_signature(models[1], key=public)] == [
        True, False, False, False,
    ]  # fmt: skip
