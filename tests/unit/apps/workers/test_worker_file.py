"""A worker's file: what is right, and every way to be wrong, with its place."""

import pytest

from secondbasket.apps.workers.worker_file import BadWorker, read_worker

GOOD = """---
name: clerk
role: clerk
tools: [files.read, files.write]
autonomy: {default: ask, files.write: act}
limits: {tokens: 1000}
schedules:
  - {cron: "0 22 * * 1-5", time_zone: Europe/Berlin, task: "Work."}
plan:
  - {id: read, tool: files.read, arguments: {path: "{{ task.files[0] }}"}}
  - {id: sum, ask: "Sum up {{ read.text }}", checks: [{is: said}]}
---
Be exact.
"""


def test_a_good_file() -> None:
    worker = read_worker("clerk", GOOD, tools={"files.read", "files.write"})
    assert (worker.goals, worker.limits.tokens, len(worker.plan)) == ("Be exact.", 1000, 2)
    assert worker.plan[1].checks[0].kind == "said"


@pytest.mark.parametrize(
    ("old", "new", "where", "line"),
    [
        ("---\nname", "name", "file", 1),
        ("name: clerk", "name: other", "name", None),
        ("role: clerk", "role: [1]", "role", 3),
        ("role: clerk", "rolle: clerk", "header", None),
        ("tools: [", "tools: [files.rm, ", "tools", None),
        ("default: ask", "default: maybe", "autonomy[...]", None),
        ("files.write: act", "files.burn: act", "autonomy.files.burn", None),
        ("tokens: 1000", "tokens: 0", "limits", None),
        ("0 22 * * 1-5", "0 25 * * *", "schedules[0].cron", None),
        ("0 22 * * 1-5", "@reboot", "schedules[0].cron", None),
        ("Europe/Berlin", "Europe/Atlantis", "schedules[0].time_zone", None),
        ("Europe/Berlin", "../../etc/passwd", "schedules[0].time_zone", None),
        ("id: sum", "id: read", "plan[1].id", None),
        ("{{ read.text }}", "{{ read.text ", "plan[1].ask", None),
        ("tool: files.read", "tool: mail.send", "plan[0].tool", None),
        ('ask: "Sum', 'tool: files.read, ask: "Sum', "plan[1].ask", None),
        ("{is: said}", "{is: said, of: later}", "plan[1].checks", None),
        ("role: clerk", "role: &a clerk\ngoals: *a", "header", None),
        ("role: clerk", "role: !!python/object:os.system clerk", "header", None),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(
    old: str, new: str, where: str, line: int | None
) -> None:
    assert old in GOOD
    with pytest.raises(BadWorker) as refused:
        read_worker("clerk", GOOD.replace(old, new, 1), tools={"files.read", "files.write"})
    places = [finding.where for finding in refused.value.findings]
    assert where in places or (where == "autonomy[...]" and places[0].startswith("autonomy"))
    if line is not None:
        assert refused.value.findings[0].line == line


def test_a_huge_or_empty_file_is_refused() -> None:
    for text in ("", "---\n---\n", GOOD + "x" * 70_000, "---\n" + "[" * 5000 + "\n---\n"):
        with pytest.raises(BadWorker):
            read_worker("clerk", text)
