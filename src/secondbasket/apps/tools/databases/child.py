"""Asks one database one thing and ends. Run as ``python -m …databases.child``.

One Order in on standard input, one Answer out on standard output. What it may
use of the machine is bounded before anything of the order is looked at.
"""

import resource
import signal
import sys

import msgspec

from secondbasket.apps.tools.databases.order import Answer, Order, Refused

_MEMORY_BYTES = 2 << 30
_LARGEST_FILE = 512 << 20
_AFTER_SECONDS = 5.0


def answer(order: Order) -> Answer:
    """What came of it. A driver that is not installed is an error like others."""
    try:
        match order.kind:
            case "sqlite":
                from secondbasket.apps.tools.databases import sqlite  # noqa: PLC0415 - see above

                return sqlite.answer(order)
            case "duckdb":
                from secondbasket.apps.tools.databases import duckdb  # noqa: PLC0415 - an extra

                return duckdb.answer(order)
            case "postgresql":
                from secondbasket.apps.tools.databases import postgresql  # noqa: PLC0415 - heavy

                return postgresql.answer(order)
    except ImportError:
        extra = "postgres" if order.kind == "postgresql" else order.kind
        return Answer(
            error=f"The driver of {order.kind} is not installed.",
            hint=f"Your operator can run: pip install 'secondbasket[{extra}]'",
        )
    except Refused as refused:
        return Answer(error=refused.message, hint=refused.hint)
    except MemoryError:
        return Answer(error="The result takes more memory than it may.", hint="Ask for less of it.")


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    if order.ask == "query":  # what is sorted on the disk; a database that is written to may grow
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    # The kernel's timer does not wait for a driver that would not look up.
    signal.setitimer(signal.ITIMER_REAL, order.seconds + _AFTER_SECONDS)
    sys.stdout.buffer.write(msgspec.json.encode(answer(order)))


if __name__ == "__main__":
    main()
