"""One call's account: opened by a reservation, closed by a receipt, exactly once."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from secondbasket.core.clock import timestamp
from secondbasket.core.data_class import DataClass
from secondbasket.core.ids import new_id
from secondbasket.core.key import Key
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Hop, Operation, Outcome, Receipt
from secondbasket.core.usage import Usage
from secondbasket.errors import BasketError
from secondbasket.maas.attempt import Attempt, milliseconds
from secondbasket.maas.budgets import Reservation


class Account:
    """`record` gets the receipt and returns when it is durable (it does not await).

    Whoever chooses upstreams fills in `passed_over`, name → why it was not asked, and sets
    `unproven` where one was asked that its basket does not count as proven.
    """

    def __init__(
        self,
        *,
        operation: Operation,
        key: Key,
        basket: str,
        currency: str,
        data_class: DataClass,
        reserve: Callable[[int], Reservation],
        record: Callable[[Receipt], None],
        streamed: bool,
    ) -> None:
        self.request_id = new_id("req")
        self.created = time.time()
        self.key = key
        self.basket = basket
        self.data_class = data_class
        self.attempts: list[Attempt] = []
        self.passed_over: dict[str, str] = {}
        self.unproven = False
        self._currency = currency
        self._operation = operation
        self._reserve = reserve
        self._reservation: Reservation | None = None
        self._record = record
        self._streamed = streamed
        self._started = time.perf_counter()
        self._first_token_ms: float | None = None

    @property
    def facts(self) -> UpstreamFacts:
        """Of the upstream that is answering, or was asked last."""
        return self.attempts[-1].facts

    @property
    def spent(self) -> int:
        """What the attempts that have ended did cost, in nano-units."""
        return sum(attempt.hop.cost for attempt in self.attempts if attempt.hop)

    @property
    def used(self) -> bool:
        """Whether anything was read or written for it so far."""
        return any(attempt.hop and attempt.hop.usage.total_tokens for attempt in self.attempts)

    def secure(self, most: int) -> None:
        """Have money set aside for an attempt that can cost `most`. Raises BudgetExceeded.

        Whoever secures an account must close or cancel it.
        """
        if self._reservation is None:
            self._reservation = self._reserve(most)
        else:
            self._reservation.change(self.spent + most)

    def begin(
        self, facts: UpstreamFacts, decision: str, most: Usage, *, goes_on: bool = False
    ) -> Attempt:
        """An upstream is about to be asked for what can use `most` tokens there; `goes_on`: for
        the rest of a begun answer."""
        attempt = Attempt(facts, decision, most, since=self._started, goes_on=goes_on)
        self.attempts.append(attempt)
        return attempt

    def first_token(self) -> None:
        """Mark the moment something of the answer came; only the first call counts."""
        if self._first_token_ms is None:
            self._first_token_ms = milliseconds(self._started)

    def close(self, outcome: Outcome, *, error: BasketError | None = None) -> Receipt:
        """Settle the reservation at what was used, and write the receipt.

        Every attempt has ended by then, and there was at least one.
        """
        hops = tuple(attempt.hop for attempt in self.attempts if attempt.hop)
        last = hops[-1]
        alone = len(hops) == 1
        receipt = Receipt(
            request_id=self.request_id,
            created_at=timestamp(datetime.fromtimestamp(self.created, UTC)),
            operation=self._operation,
            key_id=self.key.id,
            key_name=self.key.name,
            basket=self.basket,
            upstream=last.upstream,
            model=last.model,
            digest=last.digest,
            engine=last.engine,
            chip=last.chip,
            provider=last.provider,
            law=last.law,
            outcome=outcome,
            input_tokens=last.input_tokens if alone else _total(hops, "input_tokens"),
            output_tokens=last.output_tokens if alone else _total(hops, "output_tokens"),
            cached_input_tokens=(
                last.cached_input_tokens if alone else _total(hops, "cached_input_tokens")
            ),
            cost=last.cost if alone else _total(hops, "cost"),
            currency=self._currency,
            duration_ms=milliseconds(self._started),
            first_token_ms=self._first_token_ms,
            bytes_sent=last.bytes_sent if alone else _total(hops, "bytes_sent"),
            bytes_received=last.bytes_received if alone else _total(hops, "bytes_received"),
            streamed=self._streamed,
            usage_exact=all(hop.usage_exact for hop in hops),
            error=None if error is None else error.code,
            data_class=self.data_class.label,
            hops=() if alone and not (self.passed_over or self.unproven) else hops,
            passed_over=self.passed_over,
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


def _total(hops: tuple[Hop, ...], field: str) -> int:
    return sum(getattr(hop, field) for hop in hops)
