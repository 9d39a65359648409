"""Whatever a value is, a request goes to its own operation or nowhere."""

from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from secondbasket.apps.tools.openapi.address import address
from secondbasket.apps.tools.openapi.operation import Operation, Parameter
from secondbasket.errors import ToolFailed

BASE = "https://api.example/v1"
ONE = Operation(
    wanted="one",
    name="one",
    method="GET",
    path="/things/{id}/parts",
    description="",
    parameters=(Parameter("id", "id", "path"), Parameter("q", "q", "query")),
    body=None,
    schema={},
)
SPICED = st.text(st.one_of(st.characters(), st.sampled_from("/\\.?#%&=;@:2eEfF")), max_size=20)


@given(SPICED, SPICED)
def test_a_value_stays_in_its_place(identity: str, query: str) -> None:
    try:
        url = address(BASE, ONE, {"id": identity, "q": query})
    except ToolFailed:
        return
    text = str(url)
    before, _, after = text.partition("?")
    assert url.raw_host == "api.example"
    assert url.scheme == "https"
    middle = before.removeprefix(f"{BASE}/things/").removesuffix("/parts")
    assert before == f"{BASE}/things/{middle}/parts"
    assert not set(middle) & set("/\\?#;&@: ")
    assert unquote(middle) == identity
    assert after.removeprefix("q=") == after[2:]
    assert not set(after[2:]) & set("&#=?/ ")
