"""What can be set, with its unit, its default and what it is for.

`basket settings`, ``docs/settings.md`` and the names of the environment
variables are all made from these classes.
"""

import ipaddress
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import (
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from secondbasket.core.model import ModelTask
from secondbasket.core.rules import Continuation, Routing
from secondbasket.settings.drills import DrillTable
from secondbasket.settings.policy import ClassLabel, PolicySettings
from secondbasket.settings.section import Section

MIB = 1024 * 1024
LOCAL_PREFIX = "local/"


class Unit(msgspec.Struct, frozen=True):
    """What a number counts, shown beside it."""

    name: str


class Secret:
    """Marks a value that may hold a password: it is masked wherever settings are shown."""


Words = Annotated[str, StringConstraints(strip_whitespace=True)]
Count = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0), Unit("seconds")]
Bytes = Annotated[int, Field(gt=0), Unit("bytes")]
Mebibytes = Annotated[int, Field(ge=0), Unit("MiB")]
Tokens = Annotated[int, Field(gt=0), Unit("tokens")]
PricePerMillion = Annotated[
    Decimal, Field(ge=0, max_digits=21, decimal_places=9), Unit("currency units per million tokens")
]


def is_loopback(host: str) -> bool:
    """Does only this machine reach `host`? Names other than 'localhost' count as reachable."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class OperatorSettings(Section):
    """Who runs this stack."""

    law: str = Field(
        default="own",
        min_length=1,
        description="The law your organisation is under, such as 'DE'; receipts of answers from"
        " your own machines name it.",
    )


class ServerSettings(Section):
    """Where the API and the console listen, and what they accept."""

    allow_remote: bool = Field(
        default=False,
        description="Consent to listen on an address that other machines can reach."
        " Keys are required either way.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8400, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one."
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names that a request's Host header may carry besides server.host and the"
        " loopback names.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file with the certificate chain; HTTPS is spoken when it is set.",
    )
    tls_key: Path | None = Field(
        default=None,
        description="PEM file with the certificate's private key, without a passphrase.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="Addresses or networks of reverse proxies whose X-Forwarded-For and"
        " X-Forwarded-Proto are believed.",
    )
    max_body_bytes: Bytes = Field(default=8 * MIB, description="Largest request body that is read.")
    client_stall_seconds: Seconds = Field(
        default=30.0,
        description="How long a client may leave its stream unread before it is closed.",
    )

    @property
    def private(self) -> bool:
        """Can nobody but this machine reach the server, not even through a proxy?"""
        return is_loopback(self.host) and not self.trusted_proxies

    @field_validator("host")
    @classmethod
    def _consent_to_remote(cls, host: str, info: ValidationInfo) -> str:
        if not is_loopback(host) and not info.data.get("allow_remote", False):
            raise ValueError(
                f"{host!r} can be reached from other machines;"
                " set server.allow_remote = true to consent"
            )
        return host

    @field_validator("tls_key")
    @classmethod
    def _complete_tls(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if (key is None) != (info.data.get("tls_certificate") is None):
            raise ValueError("server.tls_certificate and server.tls_key go together")
        return key

    @field_validator("trusted_proxies")
    @classmethod
    def _parse_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ipaddress.ip_network(network)
        return networks


class ModelSettings(Section):
    """Which models answer."""

    default_chat: str = Field(
        default="smollm2-135m-instruct",
        description="The chat model that is loaded at start and that `basket chat` asks.",
    )
    default_embedding: str = Field(
        default="all-minilm-l6-v2",
        description="The embedding model that is loaded at start; empty for none.",
    )
    serve: tuple[str, ...] = Field(
        default=("*",),
        description="Installed models to load after the defaults, by name, each while it fits;"
        " '*' is every one.",
    )
    catalogue: Path | None = Field(
        default=None, description="A catalogue file whose entries are added to the built-in ones."
    )
    makers: dict[str, Words] = Field(
        default_factory=dict,
        description="Who made the weights of installed models, by model name, where the catalogue"
        " does not say; `basket lint` compares it.",
    )


class WorkersSettings(Section):
    """Workers: what they do at a time in this process."""

    at_once: Count = Field(default=4, description="Tasks that are worked on at a time.")
    max_upload_bytes: Bytes = Field(
        default=64 * MIB, description="Largest form with files that a task is added by."
    )


class EngineSettings(Section):
    """How models are run. What is not set is chosen for the chip and the model."""

    context_tokens: Tokens | None = Field(default=None, description="Context of each slot.")
    slots: Count | None = Field(
        default=None, description="Answers that one model writes at a time."
    )
    threads: Count | None = Field(default=None, description="CPU threads of one engine.")
    cache_mib: Mebibytes | None = Field(
        default=None, description="Memory that one engine may keep prompts of finished calls in."
    )
    second: str = Field(
        default="openvino",
        description="The engine that runs models.default_chat besides its usual one, so that it has"
        " a second basket; empty for none.",
    )
    start_timeout_seconds: Seconds = Field(
        default=120.0, description="How long an engine may take to load its model."
    )
    drain_seconds: Seconds = Field(
        default=20.0, description="How long answers under way may go on once a stop was asked for."
    )


class PriceSettings(Section):
    """What local compute costs, so that nothing is free by accident."""

    currency: str = Field(
        default="USD",
        pattern=r"^[A-Z]{3}$",
        description="ISO 4217 code of the currency of every price.",
    )
    local_input_per_million: PricePerMillion = Field(
        default=Decimal("0.05"), description="Price of tokens that a local model reads."
    )
    local_output_per_million: PricePerMillion = Field(
        default=Decimal("0.20"), description="Price of tokens that a local model writes."
    )
    local_embedding_per_million: PricePerMillion = Field(
        default=Decimal("0.01"), description="Price of tokens that a local embedding model reads."
    )


class LedgerSettings(Section):
    """How durable the memory of what happened is."""

    fsync: bool = Field(
        default=False,
        description="Wait for the disk before an answer is declared finished: receipts then"
        " survive a power cut, not only a crash of the process.",
    )
    head_seconds: Seconds = Field(
        default=300.0,
        description="How often a head of the ledger is signed, where something was recorded.",
    )
    head_file: Path | None = Field(
        default=None,
        description="File, best on another machine's share, that each signed head is appended to;"
        " in a folder, a file of this ledger's name is.",
    )
    head_push_urls: tuple[str, ...] = Field(
        default=(), description="Addresses on other machines that each signed head is posted to."
    )
    drill_reports: Count = Field(
        default=500,
        description="Reports of drills that are kept, the newest; of older ones the ledger still"
        " tells what came of them.",
    )

    @field_validator("head_push_urls")
    @classmethod
    def _parse_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{url!r} is not an address such as https://heads.example/ledger")
        return urls


class DatabaseSettings(Section):
    """Where keys, receipts and sums are kept."""

    url: Annotated[str | None, Secret()] = Field(
        default=None,
        repr=False,
        description="SQLAlchemy URL, such as postgresql+psycopg://user@host/name;"
        " SQLite in the home when not set.",
    )


class EgressSettings(Section):
    """How the outbound door reaches other machines."""

    offline: bool = Field(default=False, description="Refuse every outbound connection.")
    proxy: Annotated[str | None, Secret()] = Field(
        default=None, repr=False, description="HTTP proxy that outbound connections go through."
    )
    ca_bundle: Path | None = Field(
        default=None,
        description="PEM file of certificate authorities to trust besides the system's.",
    )
    allow: tuple[str, ...] = Field(
        default=(),
        description="HOST:PORT of destinations inside your own network that may be reached;"
        " private addresses are refused otherwise.",
    )

    @field_validator("allow")
    @classmethod
    def _parse_destinations(cls, destinations: tuple[str, ...]) -> tuple[str, ...]:
        for destination in destinations:
            parts = urlsplit(f"//{destination}")
            if not parts.hostname or parts.port is None or parts.path:
                raise ValueError(f"{destination!r} is not HOST:PORT")
        return destinations


class HealthSettings(Section):
    """When an upstream counts as ill, and when it is tried again."""

    failures_to_open: Count = Field(
        default=5, description="Failures in a row after which an upstream is not asked for a while."
    )
    open_seconds: Seconds = Field(
        default=1.0, description="How long that is at first; doubled with every failed trial."
    )
    longest_open_seconds: Seconds = Field(default=60.0, description="How long it is at most.")
    probe_seconds: Seconds = Field(
        default=15.0,
        description="An upstream without traffic for so long is asked whether it answers.",
    )


class LogSettings(Section):
    """What the server says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important messages that are written."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="Lines for people, or one JSON object a line."
    )


class ProviderTable(Section):
    """An organisation whose API answers: ``[providers.NAME]``."""

    kind: Literal["openai", "anthropic"] = Field(
        default="openai",
        description="The wire it speaks: 'openai' for any OpenAI-compatible API.",
    )
    base_url: str = Field(
        pattern=r"^https?://", description="Address of its API, up to and including '/v1'."
    )
    api_key_env: str | None = Field(
        default=None, description="Environment variable that holds the key to it."
    )
    api_key_file: Path | None = Field(default=None, description="File that holds the key to it.")
    vendor: Words = Field(default="", description="Who sells the answers; the table's name else.")
    operator: Words = Field(
        default="", description="Who runs the machines, where that is not the vendor."
    )
    law: Annotated[Words, Field(min_length=1)] = Field(
        description="The law that controls it, such as 'US' or 'FR'."
    )
    location: Annotated[Words, Field(min_length=1)] | None = Field(
        default=None, description="The country its machines stand in."
    )
    terms: str = Field(default="", description="Where its terms are written down.")
    connect_seconds: Seconds = Field(
        default=5.0, description="How long it may take until a connection stands."
    )

    @field_validator("api_key_file")
    @classmethod
    def _one_key(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("api_key_env") is not None:
            raise ValueError("give api_key_env or api_key_file, not both")
        return file


class UpstreamTable(Section):
    """A model at a provider: ``[upstreams.NAME]``."""

    provider: str = Field(description="Who answers, by its name under [providers].")
    model: str = Field(description="The model's name over there.")
    task: ModelTask = Field(default="chat", description="What the model is for.")
    weights_origin: Words = Field(
        default="", description="Who made the weights, as lint compares it; often a company."
    )
    licence: str = Field(default="", description="The licence of the weights.")
    context_tokens: Tokens = Field(description="Most tokens that one call may hold.")
    modalities: tuple[str, ...] = Field(
        default=("text",), description="What it reads: text, image, audio, file."
    )
    price_input_per_million: PricePerMillion = Field(description="Price of tokens read.")
    price_output_per_million: PricePerMillion = Field(description="Price of tokens written.")


class BasketTable(Section):
    """A public model name and what may answer behind it: ``[baskets.NAME]``."""

    upstreams: Annotated[tuple[str, ...], Field(min_length=1, max_length=32)] = Field(
        description="What may answer, in order of preference: names under [upstreams], and"
        " 'local/MODEL' or 'local/MODEL@ENGINE' for models on this machine."
    )
    task: ModelTask | None = Field(
        default=None, description="What it is for; that of its first upstream when not set."
    )
    routing: Routing = Field(
        default="priority",
        description="Who is asked first: as listed, by weight, the least busy, the fastest to the"
        " first token as measured, or the cheapest.",
    )
    weights: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict, description="Shares of each upstream when routing is 'weighted'."
    )
    first_token_seconds: Seconds = Field(
        default=60.0, description="How long an upstream may take until its first token."
    )
    idle_seconds: Seconds = Field(
        default=30.0, description="How long a stream may pause between two tokens."
    )
    attempts: Annotated[int, Field(ge=1, le=32)] = Field(
        default=4, description="Most upstreams that are asked for one request."
    )
    continuation: Continuation = Field(
        default="prefill",
        description="What becomes of a text stream that breaks: 'none' ends it with an error,"
        " 'prefill' goes on with it where the next upstream truly can, 'replay' also asks others"
        " to go on where it stopped.",
    )
    parity_floor: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Least share of the parity evaluation that an upstream must pass to count.",
    )
    parity_max_age_days: Annotated[int, Field(gt=0), Unit("days")] = Field(
        default=30, description="How old a parity measurement may be."
    )
    parity_evals: Path | None = Field(
        default=None,
        description="The parity evaluation, one case a line; the general one that comes along when"
        " not set.",
    )
    parity_judge: str | None = Field(
        default=None,
        description="The basket that grades the cases for a judge; of other models than this one.",
    )

    @field_validator("upstreams")
    @classmethod
    def _once_each(cls, upstreams: tuple[str, ...]) -> tuple[str, ...]:
        for name, count in Counter(upstreams).items():
            if count > 1:
                raise ValueError(f"{name!r} is named {count} times")
        return upstreams

    @field_validator("weights")
    @classmethod
    def _known_weights(cls, weights: dict[str, int], info: ValidationInfo) -> dict[str, int]:
        for name in weights:
            if name not in info.data.get("upstreams", ()):
                raise ValueError(f"{name!r} is not among this basket's upstreams")
        return weights


class ProjectTable(Section):
    """A project that keys belong to: ``[projects.NAME]``."""

    data_class: ClassLabel = Field(
        default="public", description="The least that the project's requests count as."
    )


class Settings(Section):
    """Every setting. `home` is where the data lies and where ``basket.toml`` was looked for."""

    home: Path
    operator: OperatorSettings = Field(default_factory=OperatorSettings)
    server: ServerSettings = Field(default_factory=ServerSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    prices: PriceSettings = Field(default_factory=PriceSettings)
    ledger: LedgerSettings = Field(default_factory=LedgerSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    egress: EgressSettings = Field(default_factory=EgressSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    projects: dict[str, ProjectTable] = Field(
        default_factory=dict, description="Projects that keys belong to, by name."
    )
    providers: dict[str, ProviderTable] = Field(
        default_factory=dict, description="Organisations whose APIs answer, by name."
    )
    upstreams: dict[str, UpstreamTable] = Field(
        default_factory=dict, description="Models at providers, by name."
    )
    baskets: dict[str, BasketTable] = Field(
        default_factory=dict, description="Public model names over several upstreams, by name."
    )
    workers: WorkersSettings = WorkersSettings()
    drills: dict[str, DrillTable] = Field(
        default_factory=dict, description="Drills that run by themselves, by name."
    )
    tools: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="What each family of tools is told, by the family's name; docs/tools.md says"
        " what they take.",
    )
