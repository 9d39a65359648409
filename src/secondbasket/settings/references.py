"""Names that one table gives another: providers of upstreams and rules, upstreams of baskets."""

from collections.abc import Iterator

import msgspec

from secondbasket.core.model import ModelTask
from secondbasket.policy.rules import OWN_MACHINES
from secondbasket.settings.tree import LOCAL_PREFIX, BasketTable, Settings


class Mistake(msgspec.Struct, frozen=True):
    """The setting at `path` names `given`, which it must not; `reason` ends the sentence."""

    path: tuple[str, ...]
    given: object
    reason: str


def mistakes(settings: Settings) -> Iterator[Mistake]:
    """Every name that leads nowhere, or to the wrong kind of thing."""
    providers = ", ".join(sorted(settings.providers)) or "none"
    for name, upstream in settings.upstreams.items():
        if name.startswith(LOCAL_PREFIX):
            yield Mistake(
                ("upstreams", name), name, f"names in '{LOCAL_PREFIX}' are this machine's"
            )
        if upstream.provider not in settings.providers:
            yield Mistake(
                ("upstreams", name, "provider"),
                upstream.provider,
                f"there is no such provider; providers are: {providers}",
            )
    for name, basket in settings.baskets.items():
        yield from _of_basket(settings, name, basket)
    yield from _of_policy(settings)


def task_of(settings: Settings, upstream: str) -> ModelTask:
    """What an upstream is for; of a local model only its name is known before it is loaded."""
    table = settings.upstreams.get(upstream)
    if table is not None:
        return table.task
    model = upstream.removeprefix(LOCAL_PREFIX).partition("@")[0]
    return "embedding" if model == settings.models.default_embedding else "chat"


def unused_upstreams(settings: Settings) -> list[str]:
    """Upstreams that no basket names: nobody can ask them."""
    used = {upstream for basket in settings.baskets.values() for upstream in basket.upstreams}
    return [name for name in settings.upstreams if name not in used]


def _of_policy(settings: Settings) -> Iterator[Mistake]:
    # Whoever has this name is trusted with everything.
    if OWN_MACHINES in settings.providers:
        yield Mistake(("providers", OWN_MACHINES), OWN_MACHINES, "that name is this machine's")
    known = ", ".join((OWN_MACHINES, *sorted(settings.providers)))
    for name, rule in settings.policy.rules.items():
        for provider in rule.providers or ():
            if provider != OWN_MACHINES and provider not in settings.providers:
                yield Mistake(
                    ("policy", "rules", name, "providers"),
                    provider,
                    f"there is no such provider; providers are: {known}",
                )


def _of_basket(settings: Settings, name: str, basket: BasketTable) -> Iterator[Mistake]:
    path = ("baskets", name, "upstreams")
    for upstream in basket.upstreams:
        if upstream not in settings.upstreams and not upstream.startswith(LOCAL_PREFIX):
            known = ", ".join(sorted(settings.upstreams)) or "none"
            yield Mistake(
                path,
                upstream,
                f"there is no such upstream; upstreams are: {known}, and {LOCAL_PREFIX}MODEL",
            )
            return
    task = basket.task or task_of(settings, basket.upstreams[0])
    for upstream in basket.upstreams:
        other = task_of(settings, upstream)
        # Of a local model the task is only guessed: it is no mistake before the model is known.
        if other != task and upstream in settings.upstreams:
            yield Mistake(path, upstream, f"it is for {other}, and this basket is for {task}")
    if basket.parity_floor is not None and task != "chat":
        yield Mistake(
            ("baskets", name, "parity_floor"),
            basket.parity_floor,
            "parity is measured of chat baskets only",
        )
