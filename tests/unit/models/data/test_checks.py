"""What is wrong with data is found and named by row."""

import time

from secondbasket.core.data_set import DataRow
from secondbasket.models.data.checks import faults_of
from tests.notes import notes, row


def _named(rows: list[DataRow], fault: str) -> list[int]:
    return [each.row for each in faults_of(rows, {}) if each.fault == fault]


def test_one_percent_of_wrong_labels_is_named() -> None:
    rows = notes(400)
    wrong = (11, 122, 233, 344)
    for index in wrong:
        was = rows[index].content
        question = was["messages"][0]["content"]
        rows[index] = row(question, f"C{(index + 1) % 4}", rows[index].place)
    assert _named(rows, "label doubted") == [index + 1 for index in wrong]
    assert _named(notes(400), "label doubted") == []


def test_the_wrong_field_of_a_json_answer_is_named() -> None:
    rows = [
        row(each.content["messages"][0]["content"], f'{{"defect": "D{at % 4}", "grade": "low"}}')
        for at, each in enumerate(notes(80))
    ]
    rows[6] = row(rows[6].content["messages"][0]["content"], '{"defect": "D1", "grade": "low"}')
    [fault] = [each for each in faults_of(rows, {}) if each.fault == "label doubted"]
    assert fault.row == 7
    assert "have defect 'D2', it has 'D1'" in fault.why


def test_empty_answers_one_class_and_doubles_are_named() -> None:
    rows = [*notes(40), row("one more", " ", "line 41")]
    assert _named(rows, "empty answer") == [41]
    assert _named([*rows, rows[3]], "exact duplicate") == [42]
    long = " ".join(f"word{number}" for number in range(60))
    near = [*rows, row(long, "C1", "line 42"), row(f"{long} end", "C1", "line 43")]
    [fault] = [each for each in faults_of(near, {}) if each.fault == "near duplicate"]
    assert (fault.row, fault.other) == (43, "line 42")
    assert _named([row(f"q {n}", "same") for n in range(5)], "one class") == [1]


def test_what_is_in_an_eval_set_is_named_with_its_row_there() -> None:
    rows, long = notes(40), " ".join(f"word{number}" for number in range(60))
    rows.append(row(f"{long} end", "C1"))
    evals = [row(long, "other", "line 1"), row(rows[4].content["messages"][0]["content"], "x", "2")]
    found = [each for each in faults_of(rows, {"exam": evals}) if each.fault == "contaminated"]
    assert [(each.row, each.other) for each in found] == [(5, "exam 2"), (41, "exam line 1")]


def test_thousands_of_the_same_text_take_no_time_that_hurts() -> None:
    rows = [row(f"the same words over and over {n % 3}", "C1") for n in range(3000)]
    began = time.perf_counter()
    faults_of(rows, {})
    assert time.perf_counter() - began < 10
