"""Who signed a model is shown: by show, ls, cards, pages, the overview and bills of materials."""

from __future__ import annotations

import json
import re
import sys

import pytest
from support import foreign_signatures as foreign
from support.command_line import run_cli
from support.signed_models import record_signature

from localreg import Dataset, Registry
from localreg.operations.reports.index_page import index_values
from localreg.operations.reports.page_links import Site
from localreg.operations.trust.keys import add_key, remove_key, signing_key, trusted_keys
from localreg.operations.trust.shown import MOST, shown_signatures
from localreg.operations.trust.signing import sign
from localreg.operations.upkeep.config import set_setting
from localreg.registry import Chain


@pytest.fixture
def signed(registry, folder, weights, found, key_file):
    """vision/resnet:1 is signed by a trusted key, vision/vit:1 by another one, n:1 by none."""
    registry.add(folder, "resnet", project="vision")
    registry.add(weights, "vit", project="vision")
    registry.add(weights, "n")
    key, other = foreign.new_key(), foreign.new_key()
    sign(registry._chain, found("vision/resnet"), signing_key(key_file(key)))
    sign(registry._chain, found("vision/vit"), signing_key(key_file(other, "other")))
    add_key(registry._chain.first, key_file(key, public=True), "release")
    return registry


def printed(*words):
    code, out, err = run_cli(*words)
    assert code == 0, err
    return out


def test_show_says_who_signed_and_why_a_signature_does_not_count(signed):
    lines = {each.split("  ")[0]: each for each in printed("show", "vision/resnet").splitlines()}
    assert "release, 20" in lines["signed by"]
    assert "signatures" not in lines
    text = printed("show", "vision/vit")
    assert "signed by" not in text
    assert "neither given nor trusted" in text
    assert "signed by" not in printed("show", "n")
    assert "signatures" not in printed("show", "n")
    (one,) = json.loads(printed("show", "vision/resnet", "--json"))["signatures"]
    assert (one["signer"], one["valid"], one["reason"]) == ("release", True, None)
    (other,) = json.loads(printed("show", "vision/vit", "--json"))["signatures"]
    assert not other["valid"]


def test_what_trust_mode_means_for_a_model_is_shown(signed):
    assert "\ntrust " not in printed("show", "n")
    set_setting(signed._chain.first, "trust.mode", "enforce")
    assert "\ntrust " in printed("show", "n")
    assert "not given out: it is not signed" in printed("show", "n")
    assert "\ntrust " not in printed("show", "vision/resnet")
    assert "not given out: it has no signature by a trusted key" in printed("show", "vision/vit")
    assert "not given out" not in printed("card", "n")


def test_a_signed_data_set_says_so(signed, found, key_file, tmp_path):
    dataset = Dataset.create("cats", "vision")
    dataset.add_files(tmp_path / "net.onnx")
    dataset.finalize(auto_upload=True)
    key = foreign.new_key()
    sign(signed._chain, found(dataset.id), signing_key(key_file(key, "third")))
    assert "does not count" in printed("dataset", "show", "vision/cats")
    add_key(signed._chain.first, key_file(key, "third", public=True))
    assert "third, 20" in printed("dataset", "show", "vision/cats")
    (one,) = json.loads(printed("dataset", "show", "vision/cats", "--json"))["signatures"]
    assert (one["signer"], one["valid"]) == ("third", True)
    printed("site")
    page = (signed.path / "reports" / "models" / f"{dataset.id}.html").read_text(encoding="utf-8")
    assert '<span class="badge ">signed</span>' in page


def test_the_history_says_who_signed(signed):
    (known,) = trusted_keys(signed._chain.first)
    assert f"signed by {known.id[:12]}…: sha256 " in printed("history", "vision/resnet")


def test_ls_lists_what_a_trusted_key_signed(signed):
    assert printed("ls", "--signed", "--columns", "model,signed") == "vision/resnet:1\trelease\n"
    rows = printed("ls", "--columns", "model,signed").splitlines()
    assert {tuple(each.split("\t")) for each in rows} == {
        ("vision/resnet:1", "release"), ("vision/vit:1", ""), ("n:1", ""),
    }  # fmt: skip
    assert run_cli("ls", "--signed", "--removed")[0] == 2
    remove_key(signed._chain.first, "release")
    assert re.search("(?s)No models match.*\nNo key is trusted", run_cli("ls", "--signed")[2])


def test_a_limit_counts_what_is_signed(signed, found, key_file, weights):
    (known,) = trusted_keys(signed._chain.first)
    assert known.name == "release"
    for _ in range(2):
        signed.add(weights, "more")
    code, out, err = run_cli("ls", "--signed", "-q", "-l", "1")
    assert (code, out.split()) == (0, [found("vision/resnet").id])
    assert "These are" not in err


def test_pages_show_it(signed, found):
    printed("site")
    folder = signed.path / "reports"
    page = (folder / "models" / f"{found('vision/resnet').id}.html").read_text(encoding="utf-8")
    assert '<span class="badge ">signed</span>' in page
    assert "release, 20" in page
    other = (folder / "models" / f"{found('vision/vit').id}.html").read_text(encoding="utf-8")
    assert '<span class="badge ">signed</span>' not in other
    assert "does not count" in other
    place = signed._chain.first
    rows = index_values(Chain(place), Site(folder, root="")).models.rows
    assert {
        id_: "signed" in states for id_, states in zip(rows["id"], rows["states"], strict=True)
    } == {
        found("vision/resnet").id: True,
        found("vision/vit").id: False,
        found("n").id: False,
    }


def test_the_keys_of_an_upstream_registry_that_decides_count_on_pages(signed, tmp_path):
    set_setting(signed._chain.first, "trust.mode", "warn")
    assert run_cli("export", "vision/resnet", "-o", tmp_path / "b.tar")[0] == 0
    with Registry(tmp_path / "mine", upstream=[signed.path]) as mine:
        mine.import_bundle(tmp_path / "b.tar")
        rows = index_values(mine._chain, Site(tmp_path, root="")).models.rows
        assert rows["states"][0][-1] == "signed"
        rows = index_values(Chain(mine._chain.first), Site(tmp_path, root="")).models.rows
        assert "signed" not in rows["states"][0]


def test_cards_name_who_signed_and_no_other_signature(signed):
    assert "| signed by | release, 20" in printed("card", "vision/resnet")
    assert "trusted" not in printed("card", "vision/vit")


def test_a_bill_of_materials_lists_the_signatures(signed):
    def reference(model):
        bom = json.loads(printed("card", model, "--format", "ml-bom"))
        (one,) = bom["metadata"]["component"]["externalReferences"]
        assert one["type"] == "digital-signature"
        return one

    (recorded,) = json.loads(printed("show", "vision/resnet", "--json"))["signatures"]
    one = reference("vision/resnet")
    assert one["hashes"] == [{"alg": "SHA-256", "content": recorded["digest"]}]
    assert "by the trusted key release" in one["comment"]
    assert "does not count" in reference("vision/vit")["comment"]


def test_many_signatures_that_name_a_key_do_not_hide_the_one_by_it(signed, found):
    place, model = signed._chain.first, found("vision/vit")
    (known,) = trusted_keys(place)
    for number in range(MOST + 5):
        record_signature(place, model.id, b"%d" % number, signer=known.id)
        record_signature(place, found("vision/resnet").id, b"%d" % number, signer=known.id)
    shown = shown_signatures(signed._chain, found("vision/resnet"))
    assert shown.signers == ("release",)
    assert shown.signatures[0].valid
    assert len(shown.signatures) <= MOST + 1
    forged = shown_signatures(signed._chain, model)
    assert (forged.signers, len(forged.signatures)) == ((), MOST)
    assert printed("ls", "--signed", "-q") == f"{found('vision/resnet').id}\n"


def test_without_cryptography_signatures_are_not_checked(signed, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)  # as if it were not installed
    text = printed("show", "vision/resnet")
    assert "signed by" not in text
    assert "not checked" in text
    assert "pip install 'localreg[sign]'" in text
    printed("site")
    assert run_cli("ls", "--signed")[0] != 0
    assert "signed by" not in printed("show", "n")
    assert "signatures" not in printed("show", "n")


def test_a_reason_is_said_once(signed, key_file):
    """Of two signatures by one key that is not trusted, and under trust.mode enforce."""
    model, key = signed.model("vision/vit"), foreign.new_key()
    for _ in range(2):
        data = foreign.signed({".": "0" * 64}, key)
        record_signature(signed._chain.first, model.id, data, signer="third")
    set_setting(signed._chain.first, "trust.mode", "enforce")
    lines = dict(each.split(maxsplit=1) for each in printed("show", "vision/vit").splitlines())
    assert lines["signatures"].count("does not count") == 2
    assert lines["trust"] == "not given out: it has no signature by a trusted key"
