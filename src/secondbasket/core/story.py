"""How a request found its way through the upstreams, told from its receipt in one sentence."""

from collections.abc import Sequence

from secondbasket.core.receipt import Hop, Receipt

_ENDED = {
    "completed": "{last} answered",
    "client_closed": "{last} was answering when the caller left",
    "revoked": "{last} was answering when the key was revoked",
}


def hops_of(receipt: Receipt) -> tuple[Hop, ...]:
    """Every upstream that was asked, in order: also where the first answered alone."""
    if receipt.hops:
        return receipt.hops
    return (
        Hop(
            upstream=receipt.upstream,
            decision="the only one asked",
            provider=receipt.provider,
            law=receipt.law,
            model=receipt.model,
            digest=receipt.digest,
            engine=receipt.engine,
            chip=receipt.chip,
            outcome=receipt.outcome,
            error=receipt.error,
            input_tokens=receipt.input_tokens,
            output_tokens=receipt.output_tokens,
            cached_input_tokens=receipt.cached_input_tokens,
            usage_exact=receipt.usage_exact,
            cost=receipt.cost,
            duration_ms=receipt.duration_ms,
            first_token_ms=receipt.first_token_ms,
            bytes_sent=receipt.bytes_sent,
            bytes_received=receipt.bytes_received,
        ),
    )


def story(receipt: Receipt) -> str:
    """'continued on b after a broke off'; '' where the first one answered and that was all."""
    if not receipt.hops:
        return ""
    *before, last = receipt.hops
    failures = [
        f"{hop.upstream} {'broke off' if following.goes_on else 'failed'}"
        for hop, following in zip(before, receipt.hops[1:], strict=True)
    ]
    if last.outcome == "upstream_failed":
        told = _joined([*failures, f"{last.upstream} {'broke off' if last.goes_on else 'failed'}"])
    else:
        told = _ENDED[last.outcome].format(last=last.upstream)
        if last.goes_on and last.outcome == "completed":
            told = f"continued on {last.upstream}"
        if failures:
            told += f"{'' if last.outcome == 'completed' else ','} after {_joined(failures)}"
    if receipt.passed_over:
        told += f"; not asked: {', '.join(receipt.passed_over)}"
    return told


def _joined(clauses: Sequence[str]) -> str:
    *others, last = clauses
    return f"{', '.join(others)} and {last}" if others else last
