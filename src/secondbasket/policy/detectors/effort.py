"""How much a detector does for one text, whatever the text holds."""

MOST_COUNTED = 50
"""Findings of one kind that are counted; fifty means fifty or more."""

_MOST_CHECKS = 512


class Effort:
    """Counts what was found and what was checked in vain.

    Candidates are rare in ordinary text. A text with hundreds that are all
    wrong was made to keep us busy, or holds a right one by chance alone: it
    counts as a finding, and the search ends.
    """

    def __init__(self, most_checks: int = _MOST_CHECKS) -> None:
        self.found = 0
        self._checks = most_checks

    def note(self, right: bool) -> bool:
        """Take the result of one check; False when nothing more is to be checked."""
        if right:
            self.found += 1
            return self.found < MOST_COUNTED
        self._checks -= 1
        if self._checks == 0:
            self.found += 1
        return self._checks > 0
