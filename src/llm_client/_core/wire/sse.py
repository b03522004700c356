"""Server-Sent Events, reading side: bytes in any pieces to the data of each event.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html. The vendors repeat the event's name inside
the data, so names are left out here.
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class SseDecoder:
    """Cuts a stream of bytes into the data of its events, whatever the pieces and line ends are."""

    __slots__ = ("_after_cr", "_rest", "_started")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._after_cr = False
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that these bytes complete, in order."""
        if not self._started:
            data = self._start(data)
        if b"\r" in data or self._after_cr:
            data = self._unify_line_ends(data)
        rest = self._rest
        if rest:
            # Only the seam between the pieces can complete an event that the new piece alone does not.
            if b"\n\n" not in data and not (rest[-1] == 10 and data[:1] == b"\n"):
                rest += data
                return []
            rest += data
            data = bytes(rest)
            rest.clear()
        frames = data.split(b"\n\n")
        tail = frames.pop()
        if tail:
            rest += tail
        events = []
        for frame in frames:
            # The usual event is one line of data, with Anthropic one behind the event's name.
            line_end = frame.find(b"\n")
            if line_end < 0 and frame.startswith(b"data: "):
                events.append(frame[6:])
            elif frame.startswith(b"event: ") and frame.startswith(b"\ndata: ", line_end) and frame.count(b"\n") == 1:
                events.append(frame[line_end + 7 :])
            else:
                content = _data_of(frame)
                if content is not None:
                    events.append(content)
        return events

    def close(self) -> list[bytes]:
        """The last event, where its blank line is missing: some servers leave it out."""
        content = _data_of(bytes(self._rest))
        self._rest.clear()
        return [] if content is None else [content]

    def _start(self, data: bytes) -> bytes:
        # A byte order mark may come in pieces as well.
        data = bytes(self._rest) + data
        self._rest.clear()
        if len(data) < 3 and _BOM.startswith(data):
            self._rest += data
            return b""
        self._started = True
        return data[3:] if data.startswith(_BOM) else data

    def _unify_line_ends(self, data: bytes) -> bytes:
        if self._after_cr and data:
            # The CR was taken for a line end already; a LF right behind it belongs to it.
            if data[:1] == b"\n":
                data = data[1:]
            self._after_cr = False
        if data.endswith(b"\r"):
            self._after_cr = True
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data_of(frame: bytes) -> bytes | None:
    lines = []
    for line in frame.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines) if lines else None
