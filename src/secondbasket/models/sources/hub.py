"""What the Hugging Face hub says of one file, asked through huggingface_hub.

Only metadata travels this way. The bytes come through the outbound door (see
`download`), never through hf_xet, which would open connections of its own.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from httpx2 import HTTPError  # noqa: TID251 — an exception class opens no connection
from huggingface_hub import HfApi, constants, hf_hub_url, set_client_factory
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # loaded lazily

from secondbasket import __version__
from secondbasket.errors import InvalidRequest, ModelNotFound, SourceUnavailable
from secondbasket.models.sources.part import Promised

if TYPE_CHECKING:
    from httpx2 import Client  # noqa: TID251 - for an annotation only

_TIMEOUT = 30.0


class HubFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one commit: where to get it, and what must arrive."""

    url: str
    commit: str
    promised: Promised
    licence: str


class Hub:
    """Blocks; call it from a thread. `client_factory` makes the only HTTP client it uses.

    huggingface_hub keeps its client and its switches per process, so they hold
    for all of its users in this process. Only `token` is ever sent: a personal
    log-in that lies on this machine is not the company's to use.
    """

    def __init__(
        self, *, endpoint: str, token: str | None, client_factory: Callable[[], "Client"]
    ) -> None:
        set_client_factory(client_factory)
        # Otherwise it asks huggingface.co for a list of programs to recognise, whatever the
        # endpoint, and tells the hub which of them it runs under.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        self._endpoint = endpoint
        self._token = token or False
        self._api = HfApi(
            endpoint=endpoint,
            token=self._token,
            library_name="secondbasket",
            library_version=__version__,
        )

    def headers(self) -> dict[str, str]:
        """The headers of a download, authorisation among them."""
        return build_hf_headers(
            token=self._token, library_name="secondbasket", library_version=__version__
        )

    def describe(self, repository: str, path: str, revision: str) -> HubFile:
        """Raises ModelNotFound, InvalidRequest, SourceUnavailable (offline, gated, no access)."""
        info = self._info(repository, revision)
        files = info.siblings or []
        file = next((file for file in files if file.rfilename == path), None)
        if file is None:
            weights = [f.rfilename for f in files if f.rfilename.endswith((".gguf", ".onnx"))]
            raise ModelNotFound(
                f"{repository} holds no file '{path}' at {revision}.",
                hint="Its weights: " + (", ".join(weights[:20]) or "none in a format we run"),
            )
        if info.sha is None:
            raise SourceUnavailable(f"The hub names no commit of {repository}@{revision}.")
        return HubFile(
            url=hf_hub_url(repository, path, revision=info.sha, endpoint=self._endpoint),
            commit=info.sha,
            promised=_promised(repository, file),
            licence=_licence(info),
        )

    def _info(self, repository: str, revision: str) -> ModelInfo:
        try:
            return self._api.model_info(
                repository, revision=revision, files_metadata=True, timeout=_TIMEOUT
            )
        except HFValidationError as exc:
            raise InvalidRequest(f"'{repository}' is not the name of a repository.") from exc
        except GatedRepoError as exc:
            raise SourceUnavailable(
                f"{repository} is gated: its licence has to be accepted first.",
                hint=f"Accept it at {self._endpoint}/{repository}, then set a token of that "
                "account as hub token.",
            ) from exc
        except RevisionNotFoundError as exc:
            raise ModelNotFound(f"{repository} has no revision '{revision}'.") from exc
        except RepositoryNotFoundError as exc:
            raise ModelNotFound(
                f"The hub has no repository '{repository}', or not for us.",
                hint="Check the spelling; a private repository needs a hub token.",
            ) from exc
        except HTTPError as exc:
            raise SourceUnavailable(
                f"The hub at {self._endpoint} did not tell about {repository}: {exc}",
                hint="Check the network and the proxy. Offline, carry the file over and use "
                "'basket model pull file:PATH'.",
            ) from exc


def _promised(repository: str, file: RepoSibling) -> Promised:
    if file.lfs is not None:
        return Promised(size=file.lfs.size, sha256=file.lfs.sha256)
    if file.size is None or file.blob_id is None:
        raise SourceUnavailable(f"The hub gives no digest for {repository}/{file.rfilename}.")
    return Promised(size=file.size, git_id=file.blob_id)


def _licence(info: ModelInfo) -> str:
    """SPDX where the card gives it; the name a card gives to a licence of its own otherwise."""
    card = info.card_data
    if card is None or not card.license:
        return ""
    return str(card.license_name or card.license) if card.license == "other" else str(card.license)
