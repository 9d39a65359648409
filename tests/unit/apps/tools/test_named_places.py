"""Places that settings of tools write out."""

from secondbasket.apps.tools.named_places import named_urls


def test_urls_are_found_wherever_they_stand_and_nothing_else_is_one() -> None:
    settings = {
        "mcp": {"servers": {"a": {"url": "http://127.0.0.1:1/mcp"}, "b": {"command": ["url"]}}},
        "openapi": {"c": {"base_url": "https://c.example/", "spec": "http://not.this/"}},
        "http": {"url": ["http://nor.this/"]},
    }
    assert list(named_urls(settings)) == ["http://127.0.0.1:1/mcp", "https://c.example/"]
