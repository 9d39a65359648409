"""docs/faults.md tells what was measured, and leaves out no fault."""

from tests.faults import page
from tests.faults.cases import cases


def test_the_page_is_what_the_results_say() -> None:
    assert page.PAGE.read_text() == page.render(page.read()), "run `make faults`"


def test_every_row_was_measured_on_both() -> None:
    results = page.read()
    rows = [case.title for case in cases()]
    assert [each.case for each in results.ours] == rows, "run `make faults`"
    assert [each.case for each in results.theirs] == rows, "run `make faults`"
