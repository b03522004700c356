"""Putting one answer on the wire: delays, framing, cutting, and everything that can go wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .http1 import LAST_CHUNK, chunk, response_head
from .journal import Journal, RecordedRequest
from .rendering import Event, encode_event
from .replies import Interruption, RawAnswer, Wire
from .server import Connection

_HELD_SLICE = 0.01


@dataclass(slots=True)
class Outgoing:
    """One answer, ready to be sent.

    Args:
        status: HTTP status.
        headers: Headers without those of the framing.
        body: The body of an answer that is not streamed.
        events: The events of one that is.
        raw: An answer that is sent byte for byte instead.
        delay: Seconds before it starts.
        pause: Seconds between two events.
        endless: Whether the events never end.
        wire: How the bytes are cut up.
        interruption: What goes wrong, and when.
        error_event: Makes the event that breaks off the stream, from the number of events before it.
    """

    status: int
    headers: dict[str, str]
    body: bytes = b""
    events: Iterator[Event] | None = None
    raw: RawAnswer | None = None
    delay: float = 0.0
    pause: float = 0.0
    endless: bool = False
    wire: Wire = field(default_factory=Wire)
    interruption: Interruption | None = None
    error_event: Callable[[int], Event] | None = None


class Delivery:
    """Sends one answer on one connection and keeps the journal up to date.

    Args:
        connection: Where to send it.
        request: The record of the request.
        journal: Where the record stands.
        keep_alive: Whether the client can use the connection again.
        held: Whether answers are being held back.
    """

    def __init__(
        self,
        connection: Connection,
        request: RecordedRequest,
        journal: Journal,
        *,
        keep_alive: bool,
        chunked: bool,
        held: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._request = request
        self._journal = journal
        self._keep_alive = keep_alive
        self._chunked = chunked
        self._held = held

    def send(self, answer: Outgoing) -> bool:
        """Send it all; return whether the connection can be used again.

        Raises:
            ConnectionOver: The client hung up, or the server was stopped.
        """
        if answer.delay:
            self._connection.wait(answer.delay)
        while self._held():
            self._connection.wait(_HELD_SLICE)
        cut = answer.interruption
        if cut is not None and cut.after_events is None and self._interrupt(cut):
            return False
        self._request.status = answer.status
        if answer.raw is not None:
            return self._send_raw(answer.raw)
        if answer.events is None:
            return self._send_plain(answer)
        return self._send_stream(answer, answer.events)

    def _interrupt(self, cut: Interruption) -> bool:
        """Do what was asked for; True when that was the end of the answer."""
        if cut.kind == "stall":
            self._connection.wait(cut.seconds)
            return False
        self._complete()
        self._connection.close(reset=cut.reset)
        return True

    def _complete(self) -> None:
        # Before the last bytes go out, so that a client that has the whole answer finds a finished record.
        self._journal.finish(self._request, client_hung_up=False)

    def _send_raw(self, raw: RawAnswer) -> bool:
        headers = {name.lower(): value for name, value in raw.headers.items()}
        framed = {"content-length", "transfer-encoding", "connection"} & headers.keys()
        if not framed and raw.status not in (204, 304):
            headers["content-length"] = str(sum(map(len, raw.pieces)))
        pieces = [response_head(raw.status, headers), *raw.pieces]
        if not raw.piece_delay and len(pieces) == 2:
            pieces = [b"".join(pieces)]
        for number, piece in enumerate(pieces):
            if number > 1 and raw.piece_delay:
                self._connection.wait(raw.piece_delay)
            if number == len(pieces) - 1:
                self._complete()
            self._connection.send(piece)
        return self._keep_alive and not framed

    def _send_plain(self, answer: Outgoing) -> bool:
        head, frame, end = self._framing(answer, len(answer.body))
        size = answer.wire.write if isinstance(answer.wire.write, int) else max(1, len(answer.body))
        pieces = [answer.body[start : start + size] for start in range(0, len(answer.body), size)]
        cut = answer.interruption
        if cut is not None and cut.after_events is not None:
            half = answer.body[: len(answer.body) // 2]
            self._connection.send(head + frame(half))
            if self._interrupt(cut):
                return False
            head, pieces = b"", [answer.body[len(half) :]]
        for number, piece in enumerate(pieces):
            if number == len(pieces) - 1:
                self._complete()
                self._connection.send(head + frame(piece) + end)
            else:
                self._connection.send(head + frame(piece))
            head = b""
        return self._can_go_on(answer)

    def _send_stream(self, answer: Outgoing, events: Iterator[Event]) -> bool:
        wire, cut = answer.wire, answer.interruption
        cut_at = None if cut is None else cut.after_events
        if (cut_at is not None or wire.framing == "length") and not answer.endless:
            known = list(events)
            if cut_at is not None:
                cut_at = min(cut_at, len(known) - 1)  # in a short stream: before its last event
            if cut_at is not None and cut is not None and cut.kind == "error" and answer.error_event is not None:
                known = [*known[:cut_at], answer.error_event(cut_at)]
                cut_at = None
            events = iter(known)
            length = sum(len(encode_event(event, wire.newline, wire.comments)) for event in known)
        else:
            length = 0
        head, frame, end = self._framing(answer, length)
        self._connection.send(head)
        writer = _Writer(self._connection, frame, "event" if answer.endless and wire.write == "whole" else wire.write)
        event = next(events, None)
        number = 0
        while event is not None:
            if number == cut_at and cut is not None:
                writer.flush()
                if cut.kind == "error" and answer.error_event is not None:
                    event, events = answer.error_event(number), iter(())
                elif self._interrupt(cut):
                    return False
            elif number and answer.pause:
                writer.flush()
                self._connection.wait(answer.pause)
            else:
                self._connection.check()
            following = next(events, None)
            number += 1
            self._request.events_sent = number
            if following is None:
                self._complete()
            else:
                self._journal.notify()
            writer.write(encode_event(event, wire.newline, wire.comments))
            event = following
        writer.flush()
        if end:
            self._connection.send(end)
        return self._can_go_on(answer)

    def _framing(self, answer: Outgoing, length: int) -> tuple[bytes, Callable[[bytes], bytes], bytes]:
        """The head of the answer, what to make of each piece of its body, and what ends it."""
        framing = answer.wire.framing
        if framing == "auto" or (framing == "length" and answer.endless):
            framing = "length" if answer.events is None else "chunked"
        if framing == "chunked" and not self._chunked:
            framing = "close"  # HTTP/1.0 knows no chunks
        headers = dict(answer.headers)
        if framing == "close":
            self._keep_alive = False
        elif framing == "length":
            headers["content-length"] = str(length)
        else:
            headers["transfer-encoding"] = "chunked"
        headers["connection"] = "keep-alive" if self._keep_alive else "close"
        head = response_head(answer.status, headers)
        return (head, chunk, LAST_CHUNK) if framing == "chunked" else (head, bytes, b"")

    def _can_go_on(self, answer: Outgoing) -> bool:
        return self._keep_alive and answer.wire.framing != "close"


class _Writer:
    """Cuts what it is given into writes of the wanted size."""

    def __init__(self, connection: Connection, frame: Callable[[bytes], bytes], write: str | int) -> None:
        self._connection = connection
        self._frame = frame
        self._write = write
        self._waiting = b""

    def write(self, data: bytes) -> None:
        if self._write == "event":
            self._connection.send(self._frame(data))
            return
        self._waiting += data
        if isinstance(self._write, int):
            while len(self._waiting) >= self._write:
                piece, self._waiting = self._waiting[: self._write], self._waiting[self._write :]
                self._connection.send(self._frame(piece))

    def flush(self) -> None:
        if self._waiting:
            self._connection.send(self._frame(self._waiting))
            self._waiting = b""
