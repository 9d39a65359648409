"""What `basket doctor` looks at before it starts anything. Each check ends in one finding."""

import os
import shutil
import ssl
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from cryptography import x509

from secondbasket.cli.finding import Finding, broken, ok, warning
from secondbasket.cli.output import size
from secondbasket.errors import BasketError, DigestMismatch
from secondbasket.maas.independence import Findings
from secondbasket.models.registry import Registry
from secondbasket.models.store import Store
from secondbasket.server.admin.words import BasketStatus
from secondbasket.settings import Settings, unused_upstreams
from secondbasket.stores.home import Home

_OUTCOMES = {"failed": "not passed", "broken_off": "broken off", "passed": "passed"}
_OLDEST_PYTHON = (3, 11)
_LITTLE_DISK = 2_000_000_000
_TOO_LITTLE_DISK = 200_000_000
_READ_AT_MOST = 2_000_000_000
_LONGEST_SOCKET = 100
_RENEW_BEFORE = timedelta(days=14)


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:
        return Finding(
            check="Python",
            state="broken",
            found=f"Python {version} is too old.",
            mend="Install Python 3.11 or newer.",
        )
    return ok("Python", f"{version} at {sys.executable}")


def home_folder(home: Home) -> Finding:
    """The home is ours, ours alone, and can be written."""
    home.create()
    mine = os.geteuid()
    for path in (home.root, home.secrets, *home.secrets.iterdir()):
        status = path.stat()
        if status.st_uid != mine:
            return Finding(
                check="Home",
                state="broken",
                found=f"{path} belongs to user {status.st_uid}; this is user {mine}.",
                mend=f"Run: sudo chown -R {mine} {home.root}",
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            return Finding(
                check="Home",
                state="broken",
                found=f"Others may read {path} (mode {stat.S_IMODE(status.st_mode):o}).",
                mend=f"Run: chmod -R go-rwx {home.root}",
            )
    if not os.access(home.root, os.W_OK | os.X_OK):
        return Finding(
            check="Home",
            state="broken",
            found=f"{home.root} cannot be written.",
            mend=f"Run: chmod u+rwx {home.root}",
        )
    if len(str(home.admin_socket)) > _LONGEST_SOCKET:
        return Finding(
            check="Home",
            state="broken",
            found=f"{home.admin_socket} is too long for the address of a Unix socket.",
            mend="Set SECONDBASKET_HOME to a shorter path.",
        )
    return ok("Home", str(home.root))


def disk(home: Home) -> Finding:
    free = shutil.disk_usage(home.root).free
    if free < _TOO_LITTLE_DISK:
        return Finding(
            check="Disk",
            state="broken",
            found=f"{size(free)} are free; receipts may soon not be written.",
            mend="Make room, or move SECONDBASKET_HOME to another disk.",
        )
    if free < _LITTLE_DISK:
        return warning(
            "Disk", f"{size(free)} are free: little for another model.", "Make room before a pull."
        )
    return ok("Disk", f"{size(free)} free")


def clock(home: Home, now: datetime) -> Finding:
    """Receipts and expiries go by the clock; nothing in the home can be from the future."""
    written = [
        path.stat().st_mtime
        for path in (home.database_file, *home.journal.iterdir())
        if path.is_file()
    ]
    latest = datetime.fromtimestamp(max(written, default=0), UTC)
    if latest > now + timedelta(minutes=1):
        return Finding(
            check="Clock",
            state="broken",
            found=f"It is {now:%Y-%m-%d %H:%M} UTC here, and the home was written at"
            f" {latest:%Y-%m-%d %H:%M}: the clock went back.",
            mend="Set the clock, best by NTP: keys expire and budgets count by it.",
        )
    return ok("Clock", f"{now:%Y-%m-%d %H:%M} UTC")


def tls(settings: Settings, now: datetime) -> Finding:
    """The certificate can be loaded with its key, and is valid for a while yet."""
    certificate, key = settings.server.tls_certificate, settings.server.tls_key
    if certificate is None or key is None:
        if settings.server.allow_remote:
            return warning(
                "TLS",
                f"{settings.server.host} can be reached from other machines, and keys travel"
                " unencrypted.",
                "Set server.tls_certificate and server.tls_key, or put a TLS proxy in front.",
            )
        return ok("TLS", "not used: only this machine is served")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        end = x509.load_pem_x509_certificates(certificate.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as exc:
        return Finding(
            check="TLS",
            state="broken",
            found=f"{certificate} and {key} cannot be used: {exc}.",
            mend="Give a PEM chain and its key without a passphrase, readable by this user.",
        )
    if end <= now:
        return Finding(
            check="TLS",
            state="broken",
            found=f"The certificate expired on {end:%Y-%m-%d}.",
            mend="Renew it and restart.",
        )
    if end <= now + _RENEW_BEFORE:
        return warning("TLS", f"The certificate expires on {end:%Y-%m-%d}.", "Renew it soon.")
    return ok("TLS", f"certificate valid until {end:%Y-%m-%d}")


def outbound(settings: Settings, environment: Mapping[str, str]) -> Finding:
    """Pulls go by egress.proxy and egress.ca_bundle, not by variables other programs read."""
    egress = settings.egress
    if egress.offline:
        return ok("Outbound", "offline: every outbound connection is refused")
    if egress.ca_bundle is not None:
        try:
            ssl.create_default_context(cafile=egress.ca_bundle)
        except OSError as exc:
            return Finding(
                check="Outbound",
                state="broken",
                found=f"egress.ca_bundle {egress.ca_bundle} cannot be used: {exc}.",
                mend="Give a PEM file of certificate authorities.",
            )
    if egress.proxy is not None:
        parts = urlsplit(egress.proxy)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return Finding(
                check="Outbound",
                state="broken",
                found="egress.proxy is not an address such as http://proxy.example:3128.",
                mend="Correct it; `basket settings` says where it is set.",
            )
        return ok("Outbound", f"through the proxy {parts.hostname}:{parts.port or 80}")
    ignored = [name for name in ("HTTPS_PROXY", "https_proxy") if environment.get(name)]
    if ignored:
        return warning(
            "Outbound",
            f"{ignored[0]} is set, and only pip goes by it.",
            "Set egress.proxy if pulls have to go through a proxy.",
        )
    return ok("Outbound", "direct")


def upstreams(settings: Settings) -> Finding:
    """Every upstream of the settings is behind some basket."""
    unused = unused_upstreams(settings)
    if unused:
        return warning(
            "Upstreams",
            f"No basket names {', '.join(unused)}: nobody can ask them.",
            "Name them in the upstreams of a basket, or take them out of basket.toml.",
        )
    outside = len(settings.upstreams)
    return ok(
        "Upstreams", f"{outside} outside, each behind a basket" if outside else "none outside"
    )


def provider_keys(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Every provider whose key is not where basket.toml says it is: the server will not start."""
    for name, provider in settings.providers.items():
        check = f"Provider {name}"
        if provider.api_key_file is not None:
            try:
                key = provider.api_key_file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as exc:
                why = exc.strerror if isinstance(exc, OSError) else "it is no text"
                yield Finding(
                    check=check,
                    state="broken",
                    found=f"Its key cannot be read from {provider.api_key_file}: {why}.",
                    mend="Point api_key_file at a readable file that holds the key alone.",
                )
                continue
            if not key.strip():
                yield Finding(
                    check=check,
                    state="broken",
                    found=f"{provider.api_key_file} is empty: there is no key to ask it with.",
                    mend="Write the key into the file, and nothing else.",
                )
        elif provider.api_key_env is not None and not environment.get(provider.api_key_env):
            yield warning(
                check,
                f"The variable {provider.api_key_env}, which holds its key, is not set here.",
                "Set it where the server starts, which fails without it; or use api_key_file.",
            )


def independence(findings: Findings) -> Finding:
    """No single cause would stop a whole basket."""
    broken = sorted({each.basket for each in findings.shared if each.severity == "breaks"})
    if broken:
        return warning(
            "Independence",
            f"One cause would stop {len(broken)} of {len(findings.baskets)} baskets:"
            f" {', '.join(broken)}.",
            "`basket lint` says which, and what would have to happen.",
        )
    return ok("Independence", f"no single cause would stop any of {len(findings.baskets)} baskets")


def drills(baskets: Sequence[BasketStatus]) -> Finding:
    """A second basket counts when a drill has shown it."""
    several = [basket for basket in baskets if len(basket.upstreams) > 1]
    if not several:
        return ok("Drills", "no basket has a second upstream that a drill could show")
    unproven = [basket.name for basket in several if basket.drill is None]
    if unproven:
        return warning(
            "Drills",
            f"No drill was ever run on {', '.join(unproven)}.",
            f"Run: basket drill --cut upstream:NAME --basket {unproven[0]}",
        )
    for basket in several:
        if basket.drill is not None and basket.drill.outcome != "passed":
            return warning(
                "Drills",
                f"The last drill of {basket.name} was {_OUTCOMES[basket.drill.outcome]}.",
                f"See: basket drill show {basket.drill.drill}",
            )
    return ok("Drills", f"the last one of {', '.join(each.name for each in several)} was passed")


def models(home: Home, settings: Settings) -> Iterator[Finding]:
    """The models to serve are installed and are what was pulled."""
    registry, store = Registry(home.manifests), Store(home.models)
    wanted = [settings.models.default_chat, settings.models.default_embedding]
    for name in settings.models.serve:
        wanted += [record.name for record in registry.list()] if name == "*" else [name]
    for name in dict.fromkeys(wanted):
        if name and name not in settings.baskets:
            yield guarded(f"Model {name}", partial(_model, name, registry, store))


def _model(name: str, registry: Registry, store: Store) -> Finding:
    check = f"Model {name}"
    record = registry.find(name)
    if record is None:
        return Finding(
            check=check,
            state="broken",
            found="It is not installed.",
            mend=f"Run: basket model pull {name}",
        )
    read_all = record.size <= _READ_AT_MOST
    for file in record.files:
        if read_all:
            store.verify(file)
        elif not store.holds(file):
            raise DigestMismatch(
                f"{file.name} is missing or has another size.",
                hint=f"Run: basket model pull {name}",
            )
    how = "digest read again" if read_all else "size only; `basket model verify` reads it all"
    return ok(check, f"{size(record.size)}, {record.digest[:19]}, {record.licence} ({how})")


def guarded(check: str, look: Callable[[], Finding]) -> Finding:
    """What `look` finds; an error of ours is a finding too."""
    try:
        return look()
    except BasketError as error:
        return broken(check, error)
    except OSError as exc:
        return Finding(
            check=check,
            state="broken",
            found=f"{exc.filename or check}: {exc.strerror}.",
            mend="Mend its permissions, or the disk under it.",
        )
