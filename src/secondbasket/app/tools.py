"""What workers can do here: every installed family of tools, and what it is told."""

from collections.abc import Iterator, Mapping

from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.tools.belt import Belt, load_belt
from secondbasket.apps.tools.ground import DocumentSearch, ToolGround
from secondbasket.apps.tools.named_places import named_urls
from secondbasket.egress import Session
from secondbasket.egress.door import Door
from secondbasket.settings import Settings
from secondbasket.stores.home import Home


def open_belt(
    settings: Settings,
    door: Door,
    home: Home,
    environment: Mapping[str, str],
    *,
    search: DocumentSearch,
    memories: Memories,
) -> Belt:
    """The tools of this installation. Raises SettingsError, PluginError."""

    def session(purpose: str, base_url: str | None) -> Session:
        return door.session(purpose, base_url=base_url)

    def ground(family: str) -> ToolGround:
        return ToolGround(
            session=session,
            settings=settings.tools.get(family, {}),
            programs=home.tools / family,
            environment=environment,
            search=search,
            memories=memories,
        )

    return load_belt(ground, settings.tools)


def tool_urls(settings: Settings) -> list[str]:
    """The web addresses that ``[tools]`` writes out: places that the door may lead to."""
    return [url for url in _written_out(settings) if url.startswith(("http://", "https://"))]


def _written_out(settings: Settings) -> Iterator[str]:
    yield from named_urls(settings.tools)
    allowed = settings.tools.get("http", {}).get("allow", ())
    if isinstance(allowed, list):  # else the family refuses it, in words
        yield from (str(origin) for origin in allowed)
