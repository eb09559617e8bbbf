"""Azure's own variables, which obstore does not know.

Source: https://learn.microsoft.com/azure/storage/blobs/storage-blobs-introduction and
https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string.
"""

from __future__ import annotations

from collections.abc import Mapping

from localreg.errors import InvalidURLError

CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
_OPTIONS = {
    "account_name": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
    "account_key": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY"),
}


def azure_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what Azure's own variables say, as options of an AzureStore.

    Raises:
        InvalidURLError: the connection string is invalid.

    >>> azure_settings({"AZURE_STORAGE_ACCOUNT": "acme"})
    {'account_name': 'acme'}
    >>> azure_settings({CONNECTION: "AccountName=a;AccountKey=aGk=;EndpointSuffix=core.lan"})
    {'account_name': 'a', 'account_key': 'aGk=', 'endpoint': 'https://a.blob.core.lan'}
    """
    found = _of_connection(environment.get(CONNECTION, ""))
    for option, names in _OPTIONS.items():
        value = next((environment[name] for name in names if environment.get(name)), None)
        if value is not None:
            found[option] = value
    return found


def _of_connection(text: str) -> dict[str, str]:
    if not text:
        return {}
    fields = dict(field.partition("=")[::2] for field in text.strip().strip(";").split(";"))
    account = fields.get("AccountName")
    endpoint = fields.get("BlobEndpoint")
    if account is None and endpoint is None:
        raise InvalidURLError(
            f"{CONNECTION} names neither AccountName nor BlobEndpoint", argument="weights_url"
        )
    if endpoint is None and "EndpointSuffix" in fields:
        scheme = fields.get("DefaultEndpointsProtocol", "https")
        endpoint = f"{scheme}://{account}.blob.{fields['EndpointSuffix']}"
    options = {
        "account_name": account,
        "account_key": fields.get("AccountKey"),
        "sas_key": fields.get("SharedAccessSignature"),
        "endpoint": endpoint,
    }
    return {option: value for option, value in options.items() if value}
