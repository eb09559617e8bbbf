"""Models are signed and checked by keys; nothing of their files is read for that: P43."""

from __future__ import annotations

import pytest
from support import foreign_signatures as foreign

from localreg.errors import SignatureError
from localreg.operations.trust.keys import add_key, signing_key, trusted_file
from localreg.operations.trust.signing import attach, sign, verify


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
        with pytest.raises(SignatureError, match="not among those that are trusted"):
            verify(chain, model, trusted_file("key", key_file(other, "other", public=True)))
        with pytest.raises(SignatureError, match="not among those that are trusted"):
            verify(chain, model, chain.first)
    add_key(chain.first, key_file(key, public=True), "release")
    assert [each.signer for each in verify(chain, found(models[0]), chain.first)] == ["release"]


def test_a_signature_made_elsewhere_is_kept_once(registry, folder, models, found, tmp_path):
    key, chain = foreign.new_key(), registry._chain
    model = found(models[0])
    from localreg.operations.weights.signatures import files_of_weights
    from localreg.store.rows import model_rows

    with chain.first.store.read() as connection:
        served = model_rows.current_weights(connection, model.id)
    files = {each.name: each.digest for each in files_of_weights(chain, model, served)}
    file = tmp_path / "model.sig"
    file.write_bytes(foreign.signed(files, key))
    assert attach(chain, model, file).new
    assert not attach(chain, model, file).new
    file.write_bytes(foreign.signed(files | {"more.txt": "0" * 64}, key))
    with pytest.raises(SignatureError, match=r"vision/resnet:1 does not have more\.txt"):
        attach(chain, model, file)
