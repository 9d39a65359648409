"""`basket ledger`: what proves that the ledger is what it was."""

import click

from secondbasket.cli.audit import export, verify
from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, moment, note, printable, table
from secondbasket.errors import BasketError
from secondbasket.server.admin.words import LedgerKey, LedgerKeys, Rotate, SignedHead


@click.group()
def command() -> None:
    """Verify, export and sign the ledger; its keys."""


command.add_command(verify)
command.add_command(export)


@command.command()
@click.option("--push", is_flag=True, help="Send it to ledger.head_push_urls, too.")
@json_option
def head(push: bool, as_json: bool) -> None:
    """Sign the ledger as it stands now, and print that head. Keep it on another host.

    Fails when it was to be pushed and a destination did not take it.
    """
    path = f"ledger/head?push={'true' if push else 'false'}"
    signed = call(lambda server: server.post(path, SignedHead))
    if as_json:
        emit(signed.head)
    else:
        found = signed.head
        click.echo(
            printable(
                f"{found['ledger']}: {found['size']} entries at {found['at']}\n"
                f"Hash       {found['hash']}\n"
                f"Key        {found['signature']['key']}\n"
                f"Signature  {found['signature']['value']}"
            )
        )
    for state in signed.pushes:
        note(f"{state.destination}: {state.failure or f'took the head of {state.size} entries'}")
    failed = [state.destination for state in signed.pushes if state.failure]
    if failed:
        raise BasketError(
            f"The head did not reach {', '.join(failed)}.",
            hint="The server goes on trying; `basket status` shows how it stands.",
        )
    if push and not signed.pushes:
        raise BasketError(
            "There is no host to push heads to.", hint="Name one in ledger.head_push_urls."
        )


@command.group()
def key() -> None:
    """Show and rotate the key that signs heads and drill reports."""


@key.command()
@click.option("--pem", is_flag=True, help="Print the public key alone, for whoever verifies.")
@json_option
def show(pem: bool, as_json: bool) -> None:
    """Show the keys that have signed for this ledger, and which one signs now."""
    keys = call(lambda server: server.get("ledger/keys", LedgerKeys))
    if pem:
        click.echo(_current(keys).public_key, nl=False)
        return
    _show_keys(keys, as_json)


@key.command()
@click.option("--lost", is_flag=True, help="The old key is gone, and cannot announce the new one.")
@json_option
def rotate(lost: bool, as_json: bool) -> None:
    """Sign with a new key from now on, which the old one announces in the ledger.

    Hand the new public key to whoever verifies; the old ones stay in the ledger, and what they
    signed stays valid.
    """
    keys = call(lambda server: server.post("ledger/keys", LedgerKeys, Rotate(lost=lost)))
    _show_keys(keys, as_json)


def _current(keys: LedgerKeys) -> LedgerKey:
    return next(each for each in keys.keys if each.key == keys.current)


def _show_keys(keys: LedgerKeys, as_json: bool) -> None:
    if as_json:
        emit(keys)
        return
    table(
        ("KEY", "SINCE", "ENTRY", "ANNOUNCED BY", ""),
        [
            (
                each.key,
                moment(each.at),
                str(each.entry or ""),
                _announced_by(each),
                "signs now" if each.key == keys.current else "",
            )
            for each in keys.keys
        ],
        right=(2,),
    )
    note(f"The private key is {keys.file}. `basket backup` takes it along.")


def _announced_by(each: LedgerKey) -> str:
    if each.signed:
        return each.after
    if not each.entry:
        return "not announced yet"
    return "nobody: the key before was lost" if each.after else "the first one"
