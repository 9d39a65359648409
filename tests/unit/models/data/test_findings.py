"""What every detector knows is taken out, with marks that stay the same."""

import json
from collections import Counter

import pytest

from secondbasket.models.data.findings import Findings
from secondbasket.policy.policy import load_detectors
from tests.sensitive import EXAMPLES

DETECTORS = [(each, each.data_class) for each in load_detectors().values()]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_nothing_is_left_to_find(kind: str) -> None:
    findings = Findings(DETECTORS, b"a" * 32)
    for example in EXAMPLES[kind]:
        taken: Counter[str] = Counter()
        row = {"messages": [{"role": "user", "content": f"Before that. {example} And then."}]}
        redacted = findings.redact(row, taken)
        assert taken
        assert findings.count(json.dumps(redacted)) == {}, (example, redacted)
        text = redacted["messages"][0]["content"]
        assert example not in text


def test_a_mark_is_the_same_for_the_same_and_another_elsewhere() -> None:
    taken: Counter[str] = Counter()
    here, there = Findings(DETECTORS, b"a" * 32), Findings(DETECTORS, b"b" * 32)
    text = "Mail ann.lee@firm.co.uk, or Ann.Lee@firm.co.uk; not bob@firm.co.uk. Thanks."
    redacted = here.redact(text, taken)
    marks = [part.split("]")[0] for part in redacted.split("[")[1:]]
    assert marks[0] == marks[1] != marks[2]
    assert taken == {"email_address": 3}
    assert redacted.startswith("Mail [email_address ")
    assert redacted.endswith("]. Thanks.")
    assert here.redact(text, Counter()) == redacted != there.redact(text, Counter())
