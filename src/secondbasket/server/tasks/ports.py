"""What the door to tasks is handed."""

from collections.abc import Callable
from dataclasses import dataclass

from secondbasket.apps.tasks.board import Board
from secondbasket.core.key import Key


@dataclass(frozen=True, kw_only=True)
class TaskPorts:
    """`verify` raises AuthenticationFailed; `refused` is told the code of every error sent.

    `key_of` is a key as it stands now, None once it is revoked or has expired.
    `max_upload_bytes` bounds a body with files, `max_body_bytes` any other.
    """

    verify: Callable[[str], Key]
    refused: Callable[[str], None]
    key_of: Callable[[str], Key | None]
    board: Board
    max_body_bytes: int
    max_upload_bytes: int
    stall_seconds: float
