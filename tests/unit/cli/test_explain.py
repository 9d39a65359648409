"""What `basket explain` does not understand, it says before it asks anybody."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from secondbasket.cli.explain import command


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Give the TEXT"),
        (["hello", "--file", "-"], "Give the TEXT"),
        (["hello", "--key", "key_1", "--project", "p"], "--key or --project"),
        (["hello", "--data-class", "top"], "top"),
        (["--file", "-"], "is not JSON"),
    ],
)
def test_a_wrong_question_is_told_so(home: Path, arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(command, arguments, input="not JSON")
    assert done.exit_code == 2
    assert told in done.output


def test_a_file_that_holds_no_object_is_refused(home: Path) -> None:
    done = CliRunner().invoke(command, ["--file", "-"], input="[1]")
    assert done.exit_code == 2
    assert "not a JSON object" in done.output
