"""What the door knows of the call that a connection is made for, beyond where it leads.

The gateway says it once for a call; whatever is dialled for that call, in the
same task or in one it started, is counted under it.
"""

from contextvars import ContextVar

import msgspec

from secondbasket.core.data_class import DataClass


class Traffic(msgspec.Struct, frozen=True):
    """`canary` traffic is a drill's own: what is cut for it is not cut for others."""

    data_class: DataClass = DataClass.INTERNAL
    canary: bool = False


_NOBODYS = Traffic()

current_traffic: ContextVar[Traffic] = ContextVar("current_traffic", default=_NOBODYS)
