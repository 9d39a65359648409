from pathlib import Path

import pytest

from secondbasket.cloud.log import EngineLog, Lines


def test_lines_are_cut_wherever_the_stream_was() -> None:
    lines = Lines()
    heard = [line for data in (b"on", b"e\ntw", b"o\n\nthree") for line in lines.feed(data)]
    assert heard == ["one", "two", ""]
    assert lines.flush() == ["three"]
    assert lines.flush() == []


def test_a_line_without_end_is_not_collected_for_ever() -> None:
    lines = Lines()
    pieces = [piece for _ in range(100) for piece in lines.feed(b"x" * 1000)]
    assert sum(map(len, pieces)) + sum(map(len, lines.flush())) == 100_000
    assert max(map(len, pieces)) < 6000


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert Lines().feed(b"caf\xe9\n") == ["caf\N{REPLACEMENT CHARACTER}"]


def test_control_characters_never_reach_the_file(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "engine.log")
    log.write("\x1b[31mred\x07\r\x1b]0;title")
    log.close()
    written = log.path.read_text()
    assert "red" in written
    assert not any(ord(character) < 32 for character in written.rstrip("\n"))


def test_last_words_are_those_of_the_newest_process(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "engine.log")
    log.write("from the first process")
    log.begin()
    assert log.last_words() == ""
    for number in range(20):
        log.write(f"line {number}")
    log.close()
    assert log.last_words() == " / ".join(f"line {number}" for number in range(14, 20))
    assert "from the first process" in log.path.read_text()


def test_the_files_stay_bounded(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "engine.log")
    for _ in range(1500):
        log.write("x" * 10_000)
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 3
    assert max(sizes) <= 1024 * 1024


def test_a_disk_that_takes_nothing_loses_the_line_and_nothing_else(
    capfd: pytest.CaptureFixture[str],
) -> None:
    log = EngineLog(Path("/dev/full"))
    log.write("lost on the disk")
    log.close()
    assert log.last_words() == "lost on the disk"
    assert capfd.readouterr().err == ""
