"""What left the house, and what came back: sums over one kind of traffic."""

import msgspec


class EgressSum(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of request bodies (`sent`) and response bodies (`received`), headers not counted.

    `destination` is 'host:port'; `vendor` and `law` are those of the upstream
    there, empty where no upstream is spoken to (a model hub). `data_class` is
    the label of the class that the requests had.
    """

    destination: str
    vendor: str
    law: str
    data_class: str
    sent: int
    received: int
