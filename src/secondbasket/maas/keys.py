"""Keys: who may ask, in which role, for how much and until when.

A key's secret reads ``sk-basket-<id>.<43 characters>``; the characters are 256
random bits. It is shown once and never stored: the database holds an HMAC of
it under a pepper of the home, so a stolen database opens nothing.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from secondbasket.core.clock import now, parse, timestamp
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.ids import new_id
from secondbasket.core.key import Key, Role
from secondbasket.core.money import format_nano
from secondbasket.errors import (
    AuthenticationFailed,
    InvalidRequest,
    KeyExpired,
    KeyRevoked,
    KeyUncheckable,
    NotFound,
    PermissionDenied,
)
from secondbasket.stores import schema
from secondbasket.stores.database import Database
from secondbasket.stores.peppers import Peppers

_PREFIX = "sk-basket-"
_LONGEST_NAME = 100
_LARGEST_BUDGET = 2**62
_NOBODY = bytes(32)


class _Known(msgspec.Struct, frozen=True):
    """A key in memory: `expires` is `expires_at` in seconds since 1970, compared on every call.
    `pepper` is None where the pepper of its digest is lost."""

    key: Key
    digest: bytes
    pepper: bytes | None
    expires: float | None

    @property
    def live(self) -> bool:
        return self.key.revoked_at is None and not self.expired

    @property
    def expired(self) -> bool:
        return self.expires is not None and self.expires <= time.time()


class Keys:
    """All keys, in memory for `verify` and in the database for good.

    `peppers` are the home's, `currency` is that of the prices. Call `reload`
    once before use. What is done to keys goes to `record`; `projects` are the
    names of those that are configured.
    """

    def __init__(
        self,
        database: Database,
        *,
        peppers: Peppers,
        currency: str,
        record: Callable[[Decision], None],
        projects: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._database = database
        self._peppers = peppers
        self._currency = currency
        self._record = record
        self._projects = projects
        self._known: dict[str, _Known] = {}
        self._told: list[Callable[[str], None]] = []

    async def reload(self) -> None:
        """Take the keys from the database; what another process revoked ends here too."""
        rows = await self._rows()
        before = self._known
        self._known = {row["id"]: self._remember(row) for row in rows}
        for key_id, known in self._known.items():
            standing = before.get(key_id)
            if known.key.revoked_at and standing and not standing.key.revoked_at:
                self._tell(key_id)

    def verify(self, presented: str) -> Key:
        """The key whose secret this is.

        Raises KeyRevoked or KeyExpired to who holds the right secret, and the
        same AuthenticationFailed for an unknown key as for a wrong secret.
        KeyUncheckable where nobody can tell any more.
        """
        known = self._known.get(presented.removeprefix(_PREFIX).partition(".")[0])
        expected, pepper = (_NOBODY, None) if known is None else (known.digest, known.pepper)
        digest = _digest(presented, pepper or self._peppers.current.secret)
        if known is not None and known.pepper is None and known.live:
            raise KeyUncheckable(
                "This API key cannot be checked any more: the secret that it was made under is"
                " missing here.",
                hint="Ask the operator to put it back (`basket key peppers`), or for a new key.",
            )
        if not hmac.compare_digest(digest, expected) or known is None:
            raise AuthenticationFailed(
                "This API key is not known here.",
                hint="Check it, or have one made with: basket key create --name NAME",
            )
        if known.key.revoked_at is not None:
            raise KeyRevoked("This API key has been revoked.", hint="Ask for a new one.")
        if known.expired:
            raise KeyExpired(
                f"This API key expired at {known.key.expires_at}.", hint="Ask for a new one."
            )
        return known.key

    def active(self, key_id: str) -> Key | None:
        """The key as it stands now; None when unknown, revoked or expired."""
        known = self._known.get(key_id)
        return known.key if known is not None and known.live else None

    async def list(self) -> tuple[Key, ...]:
        """All keys, oldest first, the revoked and expired among them."""
        return tuple(_key_of(row) for row in await self._rows())

    async def create(
        self,
        *,
        by: Key | None,
        name: str,
        role: Role = "user",
        budget: int | None = None,
        expires_at: str | None = None,
        data_class: str = DataClass.PUBLIC.label,
        project: str | None = None,
    ) -> tuple[Key, str]:
        """A new key and its secret, which nobody can be shown again.

        `by` is the key that asks, None for the operator on the machine itself.
        Raises PermissionDenied unless that key is an administrator's and the
        new one ends no later and is held to no less; InvalidRequest.
        """
        key = Key(
            id=new_id("key"),
            name=_good_name(name),
            role=_good_role(role),
            budget=_good_budget(budget, role),
            currency=self._currency,
            created_at=now(),
            expires_at=_good_expiry(expires_at),
            data_class=_good_class(data_class),
            project=self._good_project(project),
        )
        _require_within(self._administrator(by), key)
        secret = f"{_PREFIX}{key.id}.{secrets.token_urlsafe(32)}"
        pepper = self._peppers.current
        row = msgspec.structs.asdict(key) | {
            "hmac": _digest(secret, pepper.secret).hex(),
            "pepper": pepper.id,
        }
        await self._database.write(lambda c: c.execute(insert(schema.keys), row))
        # Should this fail, the secret is not handed out and the key opens nothing.
        self._record(
            Decision(
                kind="key_created",
                subject=key.id,
                outcome="done",
                detail={
                    "by": "operator" if by is None else by.id,
                    "name": key.name,
                    "role": key.role,
                    "budget": "none" if budget is None else format_nano(budget, key.currency),
                    "expires_at": key.expires_at or "never",
                    "data_class": key.data_class,
                    "project": key.project or "none",
                },
            )
        )
        self._known[key.id] = self._remember(row)
        return key, secret

    async def revoke(self, key_id: str, *, by: Key | None) -> Key:
        """End a key for good; its running calls end too. Once more changes nothing.

        Raises NotFound, and PermissionDenied as `create` does.
        """
        self._administrator(by)
        table = schema.keys

        def end(connection: Connection) -> tuple[RowMapping | None, bool]:
            change = update(table).where(table.c.id == key_id, table.c.revoked_at.is_(None))
            ended = connection.execute(change.values(revoked_at=now())).rowcount == 1
            found = connection.execute(select(table).where(table.c.id == key_id))
            return found.mappings().first(), ended

        row, ended = await self._database.write(end)
        if row is None:
            raise NotFound(
                f"There is no key '{key_id[:_LONGEST_NAME]}'.", hint="See: basket key list"
            )
        known = self._known[key_id] = self._remember(row)
        if ended:
            self._tell(key_id)
            who = "operator" if by is None else by.id
            self._record(
                Decision(kind="key_revoked", subject=key_id, outcome="done", detail={"by": who})
            )
        return known.key

    def on_revoked(self, callback: Callable[[str], None]) -> None:
        """Have `callback` told the id of every key that is revoked from now on."""
        self._told.append(callback)

    def _tell(self, key_id: str) -> None:
        for callback in self._told:
            callback(key_id)

    def _administrator(self, by: Key | None) -> Key | None:
        """`by` as it stands now, whatever the caller holds of it. Raises PermissionDenied."""
        if by is None:
            return None
        standing = self.active(by.id)
        if standing is None or standing.role != "admin":
            raise PermissionDenied(
                "Only an administrator's key may create or revoke keys.",
                hint="Ask an administrator, or use `basket key` on the machine itself.",
            )
        return standing

    @property
    def projects(self) -> Collection[str]:
        """The names of the projects that a key can belong to."""
        return self._projects()

    def _good_project(self, project: str | None) -> str | None:
        if project is not None and project not in self.projects:
            known = ", ".join(sorted(self.projects)) or "none"
            raise InvalidRequest(
                f"There is no project '{project[:_LONGEST_NAME]}'; projects are: {known}.",
                hint="Add it to basket.toml as [projects.NAME], then: basket reload",
                param="project",
            )
        return project

    async def _rows(self) -> tuple[RowMapping, ...]:
        query = select(schema.keys).order_by(schema.keys.c.created_at, schema.keys.c.id)
        return await self._database.read(lambda c: tuple(c.execute(query).mappings()))

    def _remember(self, row: RowMapping | Mapping[str, Any]) -> _Known:
        key = _key_of(row)
        expires = None if key.expires_at is None else parse(key.expires_at).timestamp()
        pepper = self._peppers.find(row["pepper"])
        return _Known(key, bytes.fromhex(row["hmac"]), pepper, expires)


def _digest(secret: str, pepper: bytes) -> bytes:
    return hmac.digest(pepper, secret.encode(errors="replace"), "sha256")


def _key_of(row: RowMapping | Mapping[str, Any]) -> Key:
    return Key(**{name: row[name] for name in Key.__struct_fields__})


def _require_within(maker: Key | None, key: Key) -> None:
    if maker is None:
        return
    if maker.expires_at is not None and (
        key.expires_at is None or key.expires_at > maker.expires_at
    ):
        raise PermissionDenied(f"A key may not outlive its maker, which ends {maker.expires_at}.")
    if DataClass.parse(key.data_class) < DataClass.parse(maker.data_class):
        raise PermissionDenied(
            f"A key may not be held to less than its maker, whose data is {maker.data_class}."
        )
    if maker.project is not None and key.project != maker.project:
        raise PermissionDenied(f"A key of the project '{maker.project}' makes keys of that only.")


def _good_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(
            f"A key's name has 1 to {_LONGEST_NAME} printable characters.", param="name"
        )
    return name


def _good_role(role: Role) -> Role:
    if role not in get_args(Role):
        raise InvalidRequest("A key's role is 'user' or 'admin'.", param="role")
    return role


def _good_budget(budget: int | None, role: Role) -> int | None:
    if budget is not None and role == "admin":
        raise InvalidRequest(
            "An administrator's key has no budget: its holder could make keys to spend more.",
            hint="Leave the budget out, or make a user's key.",
            param="budget",
        )
    if budget is not None and not 0 <= budget <= _LARGEST_BUDGET:
        raise InvalidRequest("A budget is an amount of money, 0 or more.", param="budget")
    return budget


def _good_class(label: str) -> str:
    try:
        return DataClass.parse(label).label
    except ValueError as exc:
        raise InvalidRequest(f"{exc}.", param="data_class") from exc


def _good_expiry(expires_at: str | None) -> str | None:
    if expires_at is None:
        return None
    try:
        moment = parse(expires_at)
    except ValueError as exc:
        raise InvalidRequest(
            "A key's expiry is a moment such as 2027-01-31T00:00:00Z.", param="expires_at"
        ) from exc
    if moment <= datetime.now(UTC):
        raise InvalidRequest("A key's expiry lies in the future.", param="expires_at")
    return timestamp(moment)
