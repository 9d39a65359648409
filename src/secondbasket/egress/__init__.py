"""The one outbound door, and the road to our own engines.

`Session` is what both hand out, for annotations: nobody else makes one.
"""

from aiohttp import ClientSession as Session

__all__ = ["Session"]
