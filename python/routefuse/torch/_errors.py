"""What a captured function cannot be, and why."""

from __future__ import annotations

from .._routefuse import Error


class CaptureError(Error):
    """A function that does not become a kernel.

    `op` is the operation that stands in the way, as "aten.sort.default", or None; `reason` says why; `place` is the line of the
    user's source, as "router.py:12 in route: `x.sort()`", or None.
    """

    def __init__(
        self, reason: str, *, op: str | None = None, place: str | None = None, help: str | None = None
    ) -> None:
        self.op, self.reason, self.place, self.help = op, reason, place, help
        text = f"{op}: {reason}" if op else reason
        if place:
            text += f"\n  at: {place}"
        if help:
            text += f"\n  help: {help}"
        super().__init__(text)
        self.code = None
        self.errors = [{"code": None, "message": text, "help": help, "context": op, "line": None, "column": None}]
