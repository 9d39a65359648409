"""Everything that was built, as one thing to hand on."""

from dataclasses import dataclass

import anyio

from secondbasket.app.office import Office
from secondbasket.apps.documents.desk import DocumentDesk
from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.tools.belt import Belt
from secondbasket.chips.inventory import Inventory
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.core.key import Key
from secondbasket.egress.door import Door
from secondbasket.errors import AuthenticationFailed, ModelNotFound
from secondbasket.ledger.head_push import HeadPush
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.notary import Notary
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.drills.drills import Drills
from secondbasket.maas.explainer import Explainer
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.guard import Guard
from secondbasket.maas.health import Health
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.independence import Independence
from secondbasket.maas.keys import Keys
from secondbasket.maas.local_models import LocalModels
from secondbasket.maas.metrics import Metrics
from secondbasket.maas.model_desk import ModelDesk
from secondbasket.maas.parity.desk import ParityDesk
from secondbasket.maas.pepper_care import PepperCare
from secondbasket.maas.sessions import Sessions
from secondbasket.maas.standing import Standings
from secondbasket.models.data.desk import DataDesk
from secondbasket.settings import (
    Reload,
    Settings,
)
from secondbasket.stores.home import Home

_LOCAL_KEY_NAME = "local"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Everything that was built, for the doors to take their ports from."""

    settings: Settings
    home: Home
    started_at: float
    ledger: Ledger
    notary: Notary
    head_push: HeadPush
    drills: Drills
    keys: Keys
    pepper_care: PepperCare
    sessions: Sessions
    budgets: Budgets
    in_flight: InFlight
    door: Door
    belt: Belt
    baskets: Baskets
    health: Health
    independence: Independence
    parity: ParityDesk
    standings: Standings
    guard: Guard
    explainer: Explainer
    gateway: Gateway
    metrics: Metrics
    supervisor: Supervisor
    local_models: LocalModels
    model_desk: ModelDesk
    chips: Inventory
    reload: Reload
    documents: DocumentDesk
    data: DataDesk
    office: Office
    memories: Memories

    async def local_key(self) -> str:
        """The key of this machine's owner, kept in the home; made anew when it no longer works."""
        key = self.home.local_key()
        if key is not None:
            try:
                self.keys.verify(key)
            except AuthenticationFailed:
                key = None
        if key is None:
            _, key = await self.keys.create(by=None, name=_LOCAL_KEY_NAME, role="admin")
            self.home.keep_local_key(key)
        return key

    async def owner(self) -> Key:
        """The key of this machine's owner, without its secret."""
        return self.keys.verify(await self.local_key())

    def waiting_for(self) -> str | None:
        """Why the default model cannot answer yet; None when it can."""
        name = self.settings.models.default_chat
        try:
            basket = self.baskets.find(name, "chat")
        except ModelNotFound:
            return self.local_models.unserved.get(name, f"run: basket model pull {name}")
        if basket.ready():
            return None
        return f"'{name}' is loading"

    async def drain(self) -> None:
        """Let the calls under way end, for as long as the settings allow."""
        with anyio.move_on_after(self.settings.engine.drain_seconds):
            await self.in_flight.drained()
