"""Each kind of document through the real child process, the good ones and the bad ones."""

import os
import time
from pathlib import Path

import pytest

from secondbasket.apps.documents import files, reader_child
from secondbasket.apps.documents.block import MOST_LETTERS
from secondbasket.apps.documents.reader import Reading, read
from secondbasket.errors import DocumentError
from tests import papers

pytestmark = pytest.mark.anyio


async def reading(path: Path) -> Reading:
    with path.open("rb") as file:
        return await read(file, str(path))


async def told(path: Path) -> list[tuple[str, str]]:
    return [(each.place, each.text) for each in (await reading(path)).passages]


async def problem(path: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        await reading(path)
    assert str(path) in caught.value.message
    return f"{caught.value.message} {caught.value.hint}"


async def test_pdf(tmp_path: Path) -> None:
    path = papers.pdf(tmp_path / "a.pdf", ["The first page.", "The second page."])
    assert await told(path) == [("page 1", "The first page."), ("page 2", "The second page.")]


async def test_docx(tmp_path: Path) -> None:
    assert await told(papers.docx(tmp_path / "a.docx")) == [
        (
            "Handbook > Travel",
            "Trains are booked by the office.\n\nCity | Hotel\nLyon | Hotel du Parc",
        ),
        ("Handbook > Holidays", "Everybody has thirty days."),
    ]


async def test_xlsx(tmp_path: Path) -> None:
    found = (await reading(papers.xlsx(tmp_path / "a.xlsx"))).passages
    assert [each.place for each in found] == [
        "sheet 'Prices' rows 1-20",
        "sheet 'Prices' rows 21-40",
        "sheet 'Prices' rows 41-45",
    ]
    assert found[0].text.startswith("Article | Price\nscrew 1 | 1.5\n")
    assert found[2].heading == "Prices: Article | Price"


async def test_pptx(tmp_path: Path) -> None:
    assert await told(papers.pptx(tmp_path / "a.pptx")) == [
        ("slide 1", "Plan\n\nOpen a branch in Porto."),
        ("slide 2", "Risks\n\nThe rent may rise.\n\nAsk the landlord."),
    ]


async def test_html(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(papers.HTML)
    assert await told(path) == [
        ("Manual", "Press the green button."),
        ("Manual > Repair", "Unplug it\n\nOpen it"),
    ]


async def test_markdown(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(papers.MARKDOWN)
    assert await told(path) == [
        ("", "title: A box\n\nBefore all headings."),
        ("Setup", "Take the box."),
        ("Setup > Linux", "```sh\n# no heading\napt install box\n```"),
        ("Setup > Usage", "Turn it on."),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
async def test_text_of_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\nGröße\n\nzwei\n".encode(encoding))
    assert await told(path) == [("lines 2-4", "Größe\n\nzwei")]


async def test_long_text_is_parted_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(f"Paragraph {n} says something of its own." for n in range(100)))
    found = await told(path)
    assert len(found) > 3
    assert all(0 < len(text) <= MOST_LETTERS for _, text in found)
    assert found[0][0].startswith("lines 1-")
    assert found[-1][0].endswith("-199")
    whole = "\n".join(text for _, text in found)
    assert all(f"Paragraph {n} says" in whole for n in range(100))


async def test_mail_with_an_attachment(tmp_path: Path) -> None:
    attachment = papers.pdf(tmp_path / "contract.pdf", ["One.", "Two."])
    found = await told(papers.mail(tmp_path / "a.eml", attachment))
    assert [place for place, _ in found] == [
        "head",
        "text",
        "attachment 'contract.pdf', page 1",
        "attachment 'contract.pdf', page 2",
    ]
    assert "Subject: The contract with Müller" in found[0][1]
    assert found[1][1] == "Please read page two."


async def test_a_bad_attachment_costs_the_mail_nothing(tmp_path: Path) -> None:
    attachment = papers.pdf(tmp_path / "contract.pdf", ["One."], password="secret")
    found = await told(papers.mail(tmp_path / "a.eml", attachment))
    assert found[1:] == [
        ("text", "Please read page two."),
        ("attachment 'contract.pdf'", "(Not read. It is encrypted.)"),
    ]


async def test_the_content_says_what_it_is_not_the_name(tmp_path: Path) -> None:
    path = papers.pdf(tmp_path / "a.docx", ["A page."])
    assert (await reading(path)).kind == "pdf"
    odd = tmp_path / "a.pdf"
    odd.write_text("This is no PDF.")
    assert "It is called .pdf and holds none" in await problem(odd)
    unknown = tmp_path / "a.exe"
    unknown.write_bytes(b"MZ and more")
    assert "of no known kind" in await problem(unknown)
    binary = tmp_path / "a.txt"
    binary.write_bytes(b"\x7fELF\0\0\0")
    assert "is no text" in await problem(binary)


async def test_encrypted(tmp_path: Path) -> None:
    path = papers.pdf(tmp_path / "a.pdf", ["A secret."], password="secret")
    assert "It is encrypted. Save it without a password." in await problem(path)
    free = papers.pdf(tmp_path / "b.pdf", ["May be read."], password="")
    assert await told(free) == [("page 1", "May be read.")]
    office = tmp_path / "a.docx"
    office.write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016) + "EncryptedPackage".encode("utf-16-le")
    )
    assert "It is encrypted." in await problem(office)
    office.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016))
    assert "older Office format" in await problem(office)


async def test_broken(tmp_path: Path) -> None:
    whole = papers.docx(tmp_path / "a.docx").read_bytes()
    truncated = tmp_path / "b.docx"
    truncated.write_bytes(whole[: len(whole) // 2])
    assert "It is broken: its end is missing" in await problem(truncated)
    garbled = tmp_path / "c.docx"
    middle = len(whole) // 3
    garbled.write_bytes(whole[:middle] + os.urandom(600) + whole[middle + 600 :])
    assert "cannot be read. It is broken" in await problem(garbled)
    pdf = tmp_path / "d.pdf"
    pdf.write_bytes(b"%PDF-1.7\nand no more")
    assert "It is broken" in await problem(pdf)


async def test_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.touch()
    assert "It is empty" in await problem(path)
    path.write_text(" \n\n\t\n")
    assert "It holds no text" in await problem(path)
    scanned = papers.pdf(tmp_path / "a.pdf", [" "])
    assert "have their text recognised" in await problem(scanned)


async def test_a_bomb_that_tells_its_size_is_not_unpacked(tmp_path: Path) -> None:
    path = papers.bomb(tmp_path / "a.xlsx", megabytes=300)
    assert path.stat().st_size < 3_000_000
    begun = time.monotonic()
    assert "which is too much" in await problem(path)
    assert time.monotonic() - begun < 5


async def test_too_much_text(tmp_path: Path) -> None:
    packed = papers.bomb(tmp_path / "a.xlsx", megabytes=40)
    assert "more than 16,777,216 letters" in await problem(packed)
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        for _ in range(30):
            file.write(b"A line of a log that goes on and on.\n" * 30_000)
    assert "more than 16,777,216 letters" in await problem(path)


async def test_markup_that_refers_to_files_or_to_itself_brings_nothing_in(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret of this machine")
    path = tmp_path / "a.html"
    path.write_text(
        f'<!DOCTYPE p [<!ENTITY x SYSTEM "file://{secret}">]><p>&x; and <img src="{secret}"> done'
    )
    assert "the secret" not in str(await told(path))


def test_the_child_forbids_itself_to_leave() -> None:
    for event in ("socket.connect", "subprocess.Popen", "os.exec", "os.system"):
        with pytest.raises(PermissionError):
            reader_child._forbid(event, ())
    reader_child._forbid("open", ("a", "r", 0))


def test_what_is_no_plain_file_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "a.txt"
    os.mkfifo(pipe)
    with pytest.raises(DocumentError, match="no plain file"), files.opened(pipe):
        pass
    link = tmp_path / "b.txt"
    link.symlink_to("/etc/passwd")
    with pytest.raises(DocumentError, match="cannot be read"), files.opened(link):
        pass
