"""An answer of the Responses API, folded from its pieces: streamed ones, or the items of a whole answer.

Both kinds of answer go through the same fold, so that they cannot come out differently.
"""

from __future__ import annotations

from typing import Any

from ..events import StreamEvent, StreamEventType
from ..results import CompletionResult
from ..usage import NO_USAGE, Usage
from .assembly import Assembly
from .request import CompletionRequest
from .responses_input import custom_arguments, items_to_keep, visible_text

Json = dict[str, Any]
Events = list[StreamEvent]
Part = tuple[str, int, int]

_INCOMPLETE = {"content_filter": "content_filter"}
_UNFINISHED = frozenset({"queued", "in_progress", "failed", "cancelled"})
_CALLS = ("function_call", "custom_tool_call")


class AnswerFold:
    """Takes the pieces of one answer, in the order of the wire, and makes events and the result of them.

    Items are known by the position in the output under which they are streamed: some servers give an item another id
    in every event.

    Args:
        request: What was asked.
    """

    def __init__(self, request: CompletionRequest) -> None:
        self._request = request
        self._assembly = Assembly()
        self._head: Json = {}
        self._items: dict[int, Json] = {}
        self._ended: set[int] = set()
        self._names: set[str] = set()
        self._parts: dict[Part, list[str]] = {}
        self._refusal: list[str] = []
        self._has_text = False

    def start(self, response: Any) -> None:
        """The answer's head came, or a newer state of it."""
        if isinstance(response, dict):
            self._head = response

    def place(self, event: Json, *, begins: bool = False) -> int:
        """The position in the output that an event is about, also where the server does not say.

        Args:
            event: The event.
            begins: Whether an item begins with it.
        """
        index = event.get("output_index")
        if type(index) is int:
            return index
        item = event.get("item")
        name = item.get("id") if isinstance(item, dict) else event.get("item_id")
        if isinstance(name, str):
            for key, known in self._items.items():
                if known.get("id") == name:
                    return key
        return len(self._items) if begins else max(len(self._items) - 1, 0)

    def add_item(self, index: int, item: Any, events: Events) -> None:
        """An output item begins."""
        if not _is_item(item):
            return
        self._items.setdefault(index, item)
        self._names |= _names(item)
        if item["type"] == "function_call":
            self._assembly.call(index, events, id=_text(item.get("call_id")), name=_text(item.get("name")))

    def add_text(self, index: int, part: Any, delta: Any, events: Events) -> None:
        """A piece of text came: nearly every piece of nearly every stream."""
        if delta and isinstance(delta, str):
            self._pieces(("text", index, _position(part))).append(delta)
            self._has_text = True
            self._assembly.text(delta, events)

    def add_refusal(self, index: int, part: Any, delta: Any, events: Events) -> None:
        """A piece of a refusal came."""
        if delta and isinstance(delta, str):
            self._pieces(("refusal", index, _position(part))).append(delta)
            self._refusal.append(delta)
            if not self._has_text:
                self._assembly.text(delta, events)

    def add_reasoning(self, kind: str, index: int, part: Any, delta: Any, events: Events) -> None:
        """A piece of reasoning came.

        Args:
            kind: "summary" or "content": an item may have both.
            index: The item's.
            part: The part's, within its kind.
            delta: The piece.
            events: Where its event goes.
        """
        if not delta or not isinstance(delta, str):
            return
        pieces = self._pieces((kind, index, _position(part)))
        first = not pieces and self._assembly.reasoning_pieces
        pieces.append(delta)
        self._assembly.reason("\n\n" + delta if first else delta, events)  # a second train of thought

    def add_arguments(self, index: int, delta: Any, events: Events) -> None:
        """A piece of a call's arguments came."""
        if delta and isinstance(delta, str) and self._assembly.has_call(index):
            self._assembly.call(index, events, arguments=delta)

    def end_arguments(self, index: int, arguments: Any, events: Events) -> None:
        """All of a call's arguments are there; they win over the sum of the pieces."""
        if isinstance(arguments, str):
            self._assembly.end_call(index, events, arguments=arguments)

    def end_text(self, index: int, part: Any, text: Any, events: Events) -> None:
        """All of a text is there: what no piece brought is added."""
        self.add_text(index, part, self._missing(("text", index, _position(part)), text), events)

    def end_refusal(self, index: int, part: Any, text: Any, events: Events) -> None:
        """All of a refusal is there."""
        self.add_refusal(index, part, self._missing(("refusal", index, _position(part)), text), events)

    def end_reasoning(self, kind: str, index: int, part: Any, text: Any, events: Events) -> None:
        """All of a part of the reasoning is there."""
        self.add_reasoning(kind, index, part, self._missing((kind, index, _position(part)), text), events)

    def end_item(self, index: int, item: Any, events: Events) -> None:
        """An output item is complete; what no piece brought is added."""
        if not _is_item(item):
            return
        self._items[index] = item
        self._names |= _names(item)
        if index in self._ended:
            return
        self._ended.add(index)
        kind = item["type"]
        if kind == "message":
            for part, value in enumerate(_dicts(item.get("content"))):
                if value.get("type") == "output_text":
                    self.end_text(index, part, value.get("text"), events)
                elif value.get("type") == "refusal":
                    self.end_refusal(index, part, value.get("refusal"), events)
        elif kind == "reasoning":
            for name in ("summary", "content"):
                for part, value in enumerate(_dicts(item.get(name))):
                    self.end_reasoning(name, index, part, value.get("text"), events)
        elif kind in _CALLS:
            self._end_call(index, item, events)

    def _end_call(self, index: int, item: Json, events: Events) -> None:
        self._assembly.call(index, events, id=_text(item.get("call_id")), name=_text(item.get("name")))
        if item["type"] == "custom_tool_call":
            arguments: str | None = custom_arguments(_text(item.get("input")) or "")
        else:
            arguments = _text(item.get("arguments"))
        self._assembly.end_call(index, events, arguments=arguments)

    def finish(self, response: Json, events: Events) -> CompletionResult:
        """The answer is complete; the result.

        Args:
            response: The final response object.
            events: Where the events of what was not streamed go, and USAGE.
        """
        output = response.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            # A server that counts otherwise in its events has sent the item already.
            if index in self._items or not self._names & _names(item):
                self.end_item(index, item, events)
        self._assembly.end_all_calls(events)
        # Some servers leave the output out of the last event.
        self._head = response if output else {**response, "output": list(self._items.values())}
        result = self._result(self._head["output"])
        if isinstance(response.get("usage"), dict):
            events.append(StreamEvent(StreamEventType.USAGE, result.usage))
        return result

    def partial(self) -> CompletionResult:
        """What has come so far; only calls that are complete."""
        return self._result(None)

    def _result(self, output: Any) -> CompletionResult:
        assembly = self._assembly
        whole = output is not None
        calls = assembly.tool_calls if whole else assembly.ended_tool_calls
        # Custom tools are the caller's own affair: a call of one is no call of `tools`.
        functions = any(item["type"] == "function_call" for item in self._items.values())
        finish, word = self._finish_reason(bool(calls) and functions)
        model = self._head.get("model")
        raw = self._head if whole else {**self._head, "output": list(self._items.values())}
        return CompletionResult(
            content=assembly.content,
            tool_calls=calls,
            usage=self._usage(),
            reasoning=assembly.reasoning,
            model=model if isinstance(model, str) and model else self._request.model,
            finish_reason=finish,
            raw_finish_reason=word,
            raw=raw,
            refusal="".join(self._refusal) or None,
            provider_items=items_to_keep(output) if isinstance(output, list) else self._items_so_far(),
        )

    def _finish_reason(self, has_calls: bool) -> tuple[str | None, str | None]:
        status = _text(self._head.get("status"))
        if status == "incomplete":
            details = self._head.get("incomplete_details")
            reason = _text(details.get("reason")) if isinstance(details, dict) else None
            return _INCOMPLETE.get(reason or "", "length"), reason or status
        if status in _UNFINISHED:
            return None, status
        return "tool_calls" if has_calls else "stop", status

    def _usage(self) -> Usage:
        usage = self._head.get("usage")
        if not isinstance(usage, dict):
            return NO_USAGE
        try:
            return self._request.profile.parse_usage(usage, service_tier=_text(self._head.get("service_tier")))
        except (TypeError, ValueError, AttributeError):
            # Counts that nobody can read are no reason to lose an answer.
            return NO_USAGE

    def _items_so_far(self) -> Any:
        done = [item for key, item in self._items.items() if key in self._ended]
        # What an answer that was never completed has produced is not kept by the server, unless it is encrypted.
        if any(item["type"] == "reasoning" and not item.get("encrypted_content") for item in done):
            return None
        return items_to_keep(done) if visible_text(done) == self._assembly.content else None

    def _pieces(self, part: Part) -> list[str]:
        pieces = self._parts.get(part)
        if pieces is None:
            pieces = self._parts[part] = []
        return pieces

    def _missing(self, part: Part, text: Any) -> str:
        if not isinstance(text, str):
            return ""
        known = "".join(self._parts.get(part, ()))
        return text[len(known) :] if text.startswith(known) else ""


def _is_item(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("type"), str)


def _names(item: Any) -> set[str]:
    if not isinstance(item, dict):
        return set()
    return {name for name in (item.get("id"), item.get("call_id")) if isinstance(name, str) and name}


def _dicts(value: Any) -> list[Json]:
    # What is no object keeps its place, since parts are known by their positions.
    return [part if isinstance(part, dict) else {} for part in value] if isinstance(value, list) else []


def _position(part: Any) -> int:
    return part if type(part) is int else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
