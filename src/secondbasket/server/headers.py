"""The `x-basket-*` headers: the receipt's figures on the answer itself."""

from secondbasket.core.money import format_nano
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.core.story import hops_of
from secondbasket.server.asgi import Header


def origin_headers(
    request_id: str, origin: UpstreamFacts | Receipt, data_class: str
) -> list[Header]:
    """What is known of an answer when it begins: its number, its class, and who is answering."""
    fields = {
        b"x-request-id": request_id,
        b"x-basket-request-id": request_id,
        b"x-basket-model": origin.model,
        b"x-basket-digest": origin.digest,
        b"x-basket-engine": origin.engine,
        b"x-basket-chip": origin.chip,
        b"x-basket-provider": origin.provider,
        b"x-basket-law": origin.law,
        b"x-basket-data-class": data_class,
    }
    return [(name, value.encode("ascii", "replace")) for name, value in fields.items() if value]


def receipt_headers(receipt: Receipt) -> list[Header]:
    """All of the receipt, for an answer that is sent in one piece."""
    fields = {
        b"x-basket-upstream": receipt.upstream,
        b"x-basket-hops": len(hops_of(receipt)),
        b"x-basket-input-tokens": receipt.input_tokens,
        b"x-basket-output-tokens": receipt.output_tokens,
        b"x-basket-cost": format_nano(receipt.cost, receipt.currency),
        b"x-basket-duration-ms": receipt.duration_ms,
    }
    return [
        *origin_headers(receipt.request_id, receipt, receipt.data_class),
        *((name, str(value).encode("ascii", "replace")) for name, value in fields.items()),
    ]
