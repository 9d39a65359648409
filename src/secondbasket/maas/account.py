"""One call's account: opened by a reservation, closed by a receipt, exactly once."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from secondbasket.core.clock import timestamp
from secondbasket.core.ids import new_id
from secondbasket.core.key import Key
from secondbasket.core.ports import UpstreamFacts, WireMeter
from secondbasket.core.receipt import Operation, Outcome, Receipt
from secondbasket.core.usage import Usage
from secondbasket.errors import BasketError
from secondbasket.maas.budgets import Reservation


class Account:
    """`record` gets the receipt and returns when it is durable (it does not await)."""

    def __init__(
        self,
        *,
        operation: Operation,
        key: Key,
        basket: str,
        facts: UpstreamFacts,
        reserve: Callable[[], Reservation],
        record: Callable[[Receipt], None],
        streamed: bool,
    ) -> None:
        self.request_id = new_id("req")
        self.created = time.time()
        self.key = key
        self.basket = basket
        self.facts = facts
        self.meter = WireMeter()
        self._operation = operation
        self._reserve = reserve
        self._reservation: Reservation | None = None
        self._record = record
        self._streamed = streamed
        self._started = time.perf_counter()
        self._first_token_ms: float | None = None

    def open(self) -> None:
        """Set the money aside. Raises BudgetExceeded; whoever opens it must close or cancel it."""
        self._reservation = self._reserve()

    def first_token(self) -> None:
        """Mark the moment something of the answer came; only the first call counts."""
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()

    def _elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._started) * 1000, 3)

    def close(
        self,
        outcome: Outcome,
        usage: Usage,
        *,
        exact: bool = True,
        error: BasketError | None = None,
    ) -> Receipt:
        """Settle the reservation at what was used, and write the receipt."""
        facts = self.facts
        receipt = Receipt(
            request_id=self.request_id,
            created_at=timestamp(datetime.fromtimestamp(self.created, UTC)),
            operation=self._operation,
            key_id=self.key.id,
            key_name=self.key.name,
            basket=self.basket,
            upstream=facts.name,
            model=facts.model,
            digest=facts.digest,
            engine=facts.engine,
            chip=facts.chip,
            provider=facts.provider,
            law=facts.law,
            outcome=outcome,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            cost=facts.price.cost(usage),
            currency=facts.price.currency,
            duration_ms=self._elapsed_ms(),
            first_token_ms=self._first_token_ms,
            bytes_sent=self.meter.sent,
            bytes_received=self.meter.received,
            streamed=self._streamed,
            usage_exact=exact,
            error=None if error is None else error.code,
        )
        try:
            self._record(receipt)
        finally:
            # Also where the ledger cannot be written: the answer fails then, but it was made.
            self._settle(receipt.cost)
        return receipt

    def cancel(self) -> None:
        """Nothing was used and nothing is owed: the request itself was at fault."""
        self._settle(0)

    def _settle(self, cost: int) -> None:
        if self._reservation is not None:
            self._reservation.settle(cost)
