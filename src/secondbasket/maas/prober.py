"""Asks upstreams that nobody uses whether they would answer, at no cost to anybody.

An ill one is so found before a caller meets it, and while it stays ill no
caller is sent there to try.
"""

import logging
import time

import anyio

from secondbasket.core.ports import Upstream
from secondbasket.errors import BasketError
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.health import Health, UpstreamHealth

_log = logging.getLogger(__name__)

_ROUND_SECONDS = 0.5
_ILL_SECONDS = 2.0


class Prober:
    """An upstream is probed after `idle_seconds` without a call; sooner where it is ill."""

    def __init__(self, baskets: Baskets, health: Health, *, idle_seconds: float) -> None:
        self._baskets = baskets
        self._health = health
        self._idle_seconds = idle_seconds

    async def run(self) -> None:
        """Round after round until cancelled; one slow upstream does not keep others waiting."""
        probing: set[str] = set()

        async def probe(name: str, upstream: Upstream, health: UpstreamHealth) -> None:
            try:
                await upstream.probe()
            except BasketError as error:
                health.count_probe(error)
            else:
                health.count_probe(None)
            finally:
                probing.discard(name)

        async with anyio.create_task_group() as probes:
            while True:
                await anyio.sleep(_ROUND_SECONDS)
                for name, upstream in self._baskets.upstreams().items():
                    health = self._health.of(name)
                    wait = _ILL_SECONDS if health.due else self._idle_seconds
                    if name not in probing and health.last_used < time.monotonic() - wait:
                        probing.add(name)
                        probes.start_soon(probe, name, upstream, health)
