"""`basket key`: who may ask, for how much, and until when."""

import re
from datetime import UTC, datetime, timedelta

import click

from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, moment, note, table
from secondbasket.core.clock import now, parse, timestamp
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key, Role
from secondbasket.core.money import format_nano, nano_from_units
from secondbasket.core.pepper import PepperFact
from secondbasket.server.admin.words import KeyCreated, NewKey, RotatePepper

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group()
def command() -> None:
    """Create, list and revoke API keys."""


@command.command()
@click.option("--name", required=True, help="Whose key it is, or what for.")
@click.option(
    "--budget",
    metavar="AMOUNT",
    help="Most it may ever spend, in the configured currency. Administrators have no budget.",
)
@click.option("--expires", metavar="WHEN", help="When it ends: 12h, 30d, or a moment in RFC 3339.")
@click.option(
    "--role",
    type=click.Choice(["user", "admin"]),
    default="user",
    show_default=True,
    help="Administrators see everyone's usage and make keys in the console.",
)
@click.option(
    "--data-class",
    type=click.Choice([each.label for each in DataClass]),
    default=DataClass.PUBLIC.label,
    show_default=True,
    help="The least that its requests count as, whatever is in them.",
)
@click.option("--project", metavar="NAME", help="The project it belongs to, of the settings.")
@json_option
def create(
    name: str,
    budget: str | None,
    expires: str | None,
    role: Role,
    data_class: str,
    project: str | None,
    as_json: bool,
) -> None:
    """Make a key. Its secret is shown this once and cannot be shown again."""
    order = NewKey(
        name=name,
        role=role,
        budget=_money(budget),
        expires_at=_end(expires),
        data_class=data_class,
        project=project,
    )
    created = call(lambda server: server.post("keys", KeyCreated, order))
    if as_json:
        emit({"id": created.id, "key": created.key})
        return
    click.echo(created.key)
    note(f"Key '{created.record.name}' is {created.id}. Keep it: it is not shown again.")


@command.command(name="list")
@json_option
def listing(as_json: bool) -> None:
    """List all keys, without their secrets."""
    keys = call(lambda server: server.get("keys", list[Key]))
    if as_json:
        emit(keys)
        return
    table(
        ("ID", "NAME", "ROLE", "STATE", "DATA", "PROJECT", "BUDGET", "CREATED", "EXPIRES"),
        [
            (
                key.id,
                key.name,
                key.role,
                _state(key),
                key.data_class,
                key.project or "",
                "none" if key.budget is None else format_nano(key.budget, key.currency),
                moment(key.created_at),
                moment(key.expires_at) or "never",
            )
            for key in keys
        ],
        right=(6,),
    )


@command.command()
@click.argument("key_id", metavar="ID")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """End a key for good, and the answers it is getting now."""
    key = call(lambda server: server.delete(f"keys/{key_id}", Key))
    if as_json:
        emit(key)
        return
    click.echo(f"Key '{key.name}' ({key.id}) is revoked.")


@command.command()
@json_option
def peppers(as_json: bool) -> None:
    """Show the secrets that keys are made under, and which keys wait for a missing one."""
    _show_peppers(call(lambda server: server.get("peppers", list[PepperFact])), as_json)


@command.command(name="rotate-pepper")
@click.option(
    "--revoke-lost", is_flag=True, help="Revoke the keys that were made under a missing pepper."
)
@json_option
def rotate_pepper(revoke_lost: bool, as_json: bool) -> None:
    """Make new keys under a new secret from now on; browsers have to log in again.

    Keys that are in use go on working: the old pepper stays in the home until the last key that
    was made under it is revoked or has expired.
    """
    order = RotatePepper(revoke_lost=revoke_lost)
    _show_peppers(call(lambda server: server.post("peppers", list[PepperFact], order)), as_json)


def _show_peppers(peppers: list[PepperFact], as_json: bool) -> None:
    if as_json:
        emit(peppers)
        return
    table(
        ("PEPPER", "LIVE KEYS", "STATE"),
        [(each.id, str(len(each.keys)), _pepper_state(each)) for each in peppers],
        right=(1,),
    )
    for each in peppers:
        if not each.present:
            note(f"Waiting for {each.id}: {', '.join(each.keys)}")


def _pepper_state(pepper: PepperFact) -> str:
    if pepper.current:
        return "current"
    return "kept for these keys" if pepper.present else "missing: they cannot be checked"


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now() else "active"


def _money(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return nano_from_units(text)
    except ValueError as exc:
        raise click.BadParameter(
            f"{text!r} is not an amount such as 5.00.", param_hint="--budget"
        ) from exc


def _end(text: str | None) -> str | None:
    if text is None:
        return None
    span = re.fullmatch(r"(\d{1,5})([mhdw])", text)
    if span:
        return timestamp(datetime.now(UTC) + timedelta(**{_UNITS[span[2]]: int(span[1])}))
    try:
        return timestamp(parse(text))
    except ValueError as exc:
        raise click.BadParameter(
            f"{text!r} is neither a span such as 30d nor a moment such as 2027-01-31T00:00:00Z.",
            param_hint="--expires",
        ) from exc
