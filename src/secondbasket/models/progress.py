"""Telling somebody how far a pull is."""

from anyio import from_thread

from secondbasket.core.ports import PullProgress, Report


def silent(progress: PullProgress) -> None:
    """The report of nobody."""


def from_worker(report: Report) -> Report:
    """`report` for a worker thread: it still runs in the event loop.

    When the pull was cancelled meanwhile, telling raises the cancellation, so
    that hashing forty gigabytes ends with the pull that asked for it.
    """

    def tell(progress: PullProgress) -> None:
        from_thread.check_cancelled()
        from_thread.run_sync(report, progress)

    return tell
