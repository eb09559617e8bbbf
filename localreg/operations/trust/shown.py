"""What lists, pages and `show` say of signatures: who signed a model, and which do not count.

Nothing is fetched for it, and what counts is what the registry trusts now. A check takes about a
millisecond, so of many signatures the first are looked at, and then the next ones until one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localreg.errors import MissingPackageError
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.signatures import Signed, signatures_of
from localreg.operations.weights.trusted import NO_SIGNER, trust_of, trusting, why_untrusted
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import key_rows, signature_rows
from localreg.values.frozen import Frozen
from localreg.values.records import WeightsRecord
from localreg.values.units import moment

MOST = 20  # signatures of one model
_NAMED = 3


class Shown(Frozen):
    """The signatures of the weights of a model that are served now.

    Attributes:
        signatures: those that were looked at, first those that count.
        unchecked: why they could not be checked; else None.
    """

    signatures: tuple[Signed, ...] = ()
    unchecked: str | None = None

    @property
    def signers(self) -> tuple[str, ...]:
        """The names of the trusted keys that signed the weights."""
        return tuple(dict.fromkeys(each.signer for each in self.signatures if each.valid))

    @property
    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield what is said of them, each with a name."""
        valid = [f"{each.signer}, {moment(each.at)} UTC" for each in self.signatures if each.valid]
        if valid:
            yield "signed by", "; ".join(valid)
        others = list(
            dict.fromkeys(
                f"by {each.signer or 'an unknown key'} does not count: {each.reason}"
                for each in self.signatures
                if not each.valid
            )
        )
        if len(others) > _NAMED:
            others[_NAMED:] = [f"and {len(others) - _NAMED:,} more that do not count"]
        if others:
            yield "signatures", "; ".join(others)
        if self.unchecked is not None:
            yield "signatures", f"not checked: {self.unchecked}"


def shown_signatures(chain: Chain, found: Found) -> Shown:
    """Return the signatures of the weights of a model that are served now."""
    try:
        signatures = list(_some(chain, found, trusting(chain)))
    except MissingPackageError as error:
        return Shown(unchecked=str(error))
    return Shown(tuple(sorted(signatures, key=lambda each: not each.valid)))


def trust_text(chain: Chain, found: Found, weights: WeightsRecord) -> str | None:
    """Return what the setting trust.mode means for some weights; None if nothing is checked."""
    trust = trust_of(chain)
    if trust is None or not (weights.digest or weights.url):
        return None
    reason = why_untrusted(chain, trust, found, weights, only_here=True)
    if reason is None:
        return "signed by a trusted key"
    if reason.startswith(NO_SIGNER):
        reason = NO_SIGNER  # why each of them does not count is said beside it
    return f"{'not given out' if trust.enforced else 'not trusted'}: it {reason}"


def trusts_any(chain: Chain) -> bool:
    """Return True if some key or certificate is trusted."""
    with trusting(chain).store.read() as connection:
        return bool(key_rows.keys(connection))


def signers(chain: Chain, models: Iterable[Found]) -> Iterator[tuple[Found, tuple[str, ...]]]:
    """Yield each model with the names of the trusted keys that signed its weights.

    Raises:
        MissingPackageError: there are signatures, and cryptography is not installed.
    """
    trusted, trusts = trusting(chain), trusts_any(chain)
    signed: dict[OpenRegistry, set[str]] = {}
    for each in models:
        if not trusts:
            yield each, ()
            continue
        if each.registry not in signed:
            with each.registry.store.read() as connection:
                signed[each.registry] = signature_rows.signed_models(connection)
        if each.id in signed[each.registry]:
            yield each, Shown(tuple(_some(chain, each, trusted))).signers
        else:
            yield each, ()


def _some(chain: Chain, found: Found, trusted: OpenRegistry) -> Iterator[Signed]:
    """Yield the first signatures of a model, and more until one of them counts."""
    count, valid = 0, False
    for each in signatures_of(chain, found, trusted=trusted, only_here=True):
        count, valid = count + 1, valid or each.valid
        if count <= MOST or each.valid:
            yield each
        if count >= MOST and valid:
            return
