"""What others wrote cannot steer the terminal it is shown on."""

import json

import pytest

from secondbasket.cli.output import emit, note, printable, table
from secondbasket.cli.progress import Progress
from secondbasket.core.ports import PullProgress

CONTROLS = "".join(
    map(
        chr,
        [
            *(code for code in range(0x20) if chr(code) not in "\n\t"),
            *range(0x7F, 0xA0),
            *(0x061C, 0x200E, 0x200F),
            *range(0x202A, 0x202F),
            *range(0x2066, 0x206A),
        ],
    )
)
TITLE = "\x1b]0;gone\x07"


def steers(text: str) -> bool:
    return any(character in CONTROLS for character in text)


def test_controls_are_blanked_and_text_stays() -> None:
    assert printable(CONTROLS) == " " * len(CONTROLS)
    told = "Grüße, 世界 👋🏽\n\tשלום \u200d ok"
    assert printable(told) == told


def test_notes_tables_and_progress_show_no_controls(capsys: pytest.CaptureFixture[str]) -> None:
    note(f"said {CONTROLS}")
    table(("NAME",), [(f"a{CONTROLS}",)])
    with Progress() as progress:
        progress.show(
            PullProgress(file=f"f{CONTROLS}", received=0, total=None, stage="downloading")
        )
        progress.show(PullProgress(file=f"g{CONTROLS}", received=1, total=2, stage="downloading"))
    shown = capsys.readouterr()
    assert "said" in shown.err
    assert "downloading g" in shown.err
    assert not steers(shown.out)
    assert not steers(shown.err.replace("\r", ""))


def test_a_json_document_escapes_controls_and_loses_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emit({"answer": CONTROLS + "ü"})
    shown = capsys.readouterr().out
    assert not steers(shown)
    assert json.loads(shown) == {"answer": CONTROLS + "ü"}
