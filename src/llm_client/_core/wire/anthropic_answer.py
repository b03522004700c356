"""An answer of Anthropic's, folded from its pieces: streamed ones, or the blocks of a whole answer.

Both kinds of answer go through the same fold, so that they cannot come out differently.
"""

from __future__ import annotations

from typing import Any

from .. import jsons
from ..events import StreamEvent, StreamEventType
from ..messages import ProviderItems
from ..results import CompletionResult
from ..usage import NO_USAGE, Usage
from .anthropic_blocks import DIALECT, canonical_arguments
from .anthropic_format import answer_tool_name, way_of
from .assembly import Assembly
from .request import CompletionRequest

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
_PLAIN_KINDS = ("text", "tool_use")

Json = dict[str, Any]
Events = list[StreamEvent]


class _Block:
    """One content block under construction.

    Args:
        value: The vendor's JSON of the block.
        key: Under which the assembly knows its call.
    """

    __slots__ = ("answers", "closed", "input_pieces", "key", "kind", "pieces", "shown", "value")

    def __init__(self, value: Json, key: int, answers: bool) -> None:
        self.value = value
        self.kind: str = value["type"]
        self.key = key
        self.answers = answers
        self.pieces: list[str] = []
        self.input_pieces: list[str] = []
        self.closed = False
        self.shown = False

    def whole(self) -> Json:
        """The block as a whole answer would hold it."""
        if self.pieces:
            name = "thinking" if self.kind == "thinking" else "text"
            return {**self.value, name: (_text(self.value.get(name)) or "") + "".join(self.pieces)}
        return self.value

    def replayable(self) -> bool:
        """Whether the vendor would take the block back."""
        if self.kind == "thinking":
            # Without its signature, or with half of it, the whole conversation would be refused.
            return self.closed and bool(self.value.get("signature"))
        if self.kind == "text":
            return bool((_text(self.value.get("text")) or "".join(self.pieces)).strip())
        return self.closed


class AnswerFold:
    """Takes the pieces of one answer, in the order of the wire, and makes events and the result of them.

    Args:
        request: What was asked.
    """

    def __init__(self, request: CompletionRequest) -> None:
        self._request = request
        self._answer_tool = answer_tool_name(request) if way_of(request) == "tool" else None
        self._assembly = Assembly()
        self._blocks: list[_Block] = []
        self._by_index: dict[Any, _Block] = {}
        self._head: Json = {}
        self._usage: Json = {}
        # With a forced answer, words beside it are no part of the answer; they are shown if the answer never comes.
        self._held: list[str] = []
        self._answered = False

    @property
    def stop_reason(self) -> str | None:
        """The vendor's word for why the answer ended, None while it has not."""
        reason = self._head.get("stop_reason")
        return reason if isinstance(reason, str) else None

    @property
    def begun(self) -> bool:
        """True once anything of an answer came."""
        return bool(self._head or self._blocks)

    def start(self, message: Any, events: Events) -> None:
        """The answer's head came, or a whole answer."""
        if not isinstance(message, dict):
            return
        self._head.update((key, value) for key, value in message.items() if key not in ("content", "usage"))
        self._count(message.get("usage"))
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self.start_block(index, block, events)
            self.end_block(index, events)

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            # The counts of a later event are totals; what it leaves out or knows nothing of stays.
            self._usage.update((key, value) for key, value in usage.items() if value is not None)

    def start_block(self, index: Any, value: Any, events: Events) -> None:
        """A content block begins; in a whole answer this is all of it."""
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            return
        kind = value["type"]
        is_answer = kind == "tool_use" and self._answer_tool is not None and value.get("name") == self._answer_tool
        block = _Block(dict(value), len(self._blocks), is_answer)
        self._blocks.append(block)
        self._by_index[_key(index)] = block
        if kind == "text":
            self._say(_text(value.get("text")), events)
        elif kind == "thinking":
            self._think(block, _text(value.get("thinking")), events)
        elif kind == "tool_use" and not is_answer:
            self._assembly.call(block.key, events, id=_text(value.get("id")), name=_text(value.get("name")))

    def add_text(self, index: Any, text: Any, events: Events) -> None:
        """A piece of text came: nearly every piece of nearly every stream."""
        block = self._by_index.get(index) if type(index) is int else None
        if block is None or block.kind != "text":
            block = self._implied(index, "text")
        if text and isinstance(text, str):
            block.pieces.append(text)
            self._say(text, events)

    def _implied(self, index: Any, kind: str) -> _Block:
        # A server that leaves content_block_start out.
        found = self._by_index.get(_key(index))
        if found is not None and found.kind == kind:
            return found
        block = _Block({"type": kind}, len(self._blocks), False)
        self._blocks.append(block)
        self._by_index[_key(index)] = block
        return block

    def add(self, index: Any, delta: Any, events: Events) -> None:
        """Any piece of a block came."""
        if not isinstance(delta, dict):
            return
        kind = delta.get("type")
        if kind == "text_delta":
            self.add_text(index, delta.get("text"), events)
        elif kind == "thinking_delta":
            block = self._implied(index, "thinking")
            piece = _text(delta.get("thinking"))
            self._think(block, piece, events)
            if piece:
                block.pieces.append(piece)
        else:
            found = self._by_index.get(_key(index))
            if found is not None:
                self._add_rare(found, kind, delta, events)

    def _add_rare(self, block: _Block, kind: Any, delta: Json, events: Events) -> None:
        if kind == "input_json_delta":
            piece = _text(delta.get("partial_json"))
            if not piece:
                return
            block.input_pieces.append(piece)
            if block.answers:
                self._answer(piece, events)
            elif block.kind == "tool_use":
                self._assembly.call(block.key, events, arguments=piece)
        elif kind == "signature_delta":
            block.value["signature"] = delta.get("signature")
        elif kind == "citations_delta":
            known = block.value.get("citations")
            block.value["citations"] = [*(known if isinstance(known, list) else ()), delta.get("citation")]
        else:
            # A kind that is newer than this code: text grows, lists grow, all else is replaced, so that the block
            # can be sent back.
            for name, value in delta.items():
                old = block.value.get(name)
                if name == "type":
                    continue
                if (isinstance(old, str) and isinstance(value, str)) or (
                    isinstance(old, list) and isinstance(value, list)
                ):
                    value = old + value  # type: ignore[operator]
                block.value[name] = value

    def end_block(self, index: Any, events: Events) -> None:
        """A block is complete."""
        block = self._by_index.get(_key(index))
        if block is not None and not block.closed:
            self._close(block, events)

    def _close(self, block: _Block, events: Events) -> None:
        block.closed = True
        if block.kind == "tool_use":
            arguments = self._arguments(block)
            if not block.answers:
                self._assembly.end_call(block.key, events, arguments=arguments)
            elif not block.input_pieces:
                self._answer(arguments, events)
        elif block.input_pieces:
            # The calls that the vendor runs itself.
            block.value["input"] = _object("".join(block.input_pieces))

    def _arguments(self, block: _Block) -> str:
        if block.input_pieces:
            text = canonical_arguments("".join(block.input_pieces))
        else:
            given = block.value.get("input")
            text = canonical_arguments(given) if isinstance(given, str) else _encoded(given or {})
        block.value["input"] = _object(text)
        return text

    def end_message(self, event: Json) -> None:
        """The answer's end came, with its reason and counts."""
        delta = event.get("delta")
        if isinstance(delta, dict):
            self._head.update((key, value) for key, value in delta.items() if value is not None)
        self._count(event.get("usage"))
        self._head.update((key, value) for key, value in event.items() if key not in ("type", "delta", "usage"))

    def finish(self, events: Events) -> CompletionResult:
        """The answer is complete: what is still open is closed; the result."""
        for block in self._blocks:
            if not block.closed:
                self._close(block, events)
        if self._held and not self._answered:
            for text in self._held:
                self._assembly.text(text, events)
        result = self._result(whole=True)
        if self._usage:
            events.append(StreamEvent(StreamEventType.USAGE, result.usage))
        return result

    def partial(self) -> CompletionResult:
        """What has come so far; only calls that are complete."""
        return self._result(whole=False)

    def _say(self, text: str | None, events: Events) -> None:
        if text:
            if self._answer_tool is None:
                self._assembly.text(text, events)
            else:
                self._held.append(text)

    def _answer(self, text: str, events: Events) -> None:
        self._answered = True
        self._assembly.text(text, events)

    def _think(self, block: _Block, text: str | None, events: Events) -> None:
        if not text:
            return
        if not block.shown and self._assembly.reasoning_pieces:
            text = "\n\n" + text  # a second train of thought
        block.shown = True
        self._assembly.reason(text, events)

    def _result(self, *, whole: bool) -> CompletionResult:
        assembly = self._assembly
        calls = assembly.tool_calls if whole else assembly.ended_tool_calls
        content = assembly.content
        if self._held and not self._answered and not whole:
            content = "".join(self._held)
        reason = self.stop_reason
        finish = _FINISH.get(reason, "stop") if reason is not None else None
        if finish == "tool_calls" and not calls:
            finish = "stop"  # the only tool called was the one that stands for the answer
        elif finish is None and whole:
            finish = "tool_calls" if calls else "stop"  # some servers give no reason
        raw = self._raw()
        model = self._head.get("model")
        return CompletionResult(
            content=content,
            tool_calls=calls,
            usage=self._read_usage(raw),
            reasoning=assembly.reasoning,
            model=model if isinstance(model, str) and model else self._request.model,
            finish_reason=finish,
            raw_finish_reason=reason,
            raw=raw,
            refusal=self._refusal(content) if reason == "refusal" else None,
            provider_items=self._provider_items(whole=whole),
        )

    def _raw(self) -> Json:
        raw: Json = {**self._head, "content": [block.whole() for block in self._blocks]}
        if self._usage:
            raw["usage"] = dict(self._usage)
        return raw

    def _read_usage(self, raw: Json) -> Usage:
        if not self._usage:
            return NO_USAGE
        try:
            return self._request.profile.parse_usage(raw)
        except (TypeError, ValueError, AttributeError):
            # Counts that nobody can read are no reason to lose an answer.
            return NO_USAGE

    def _refusal(self, content: str) -> str | None:
        details = self._head.get("stop_details")
        explanation = details.get("explanation") if isinstance(details, dict) else None
        return _text(explanation) or content or None

    def _provider_items(self, *, whole: bool) -> ProviderItems | None:
        kept = [block for block in self._blocks if block.replayable()]
        if not whole:
            # A call that the vendor runs itself needs its result beside it.
            answered = {_key(block.value.get("tool_use_id")) for block in kept} - {None}
            kept = [
                block
                for block in kept
                if block.kind in _PLAIN_KINDS
                or not block.kind.endswith("tool_use")
                or _key(block.value.get("id")) in answered
            ]
        if any(block.answers for block in self._blocks) or all(block.kind in _PLAIN_KINDS for block in kept):
            return None
        return ProviderItems(dialect=DIALECT, items=tuple(block.whole() for block in kept))


def _key(index: Any) -> Any:
    return index if isinstance(index, (int, str)) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _encoded(arguments: Any) -> str:
    try:
        return jsons.dumps_text(arguments)
    except TypeError:
        # JSON that could be read but not written: whoever parses the call is told so.
        return "<arguments that are nested too deeply>"


def _object(text: str) -> Json:
    # Arguments that were cut off have no form here; the call itself keeps their text.
    try:
        value = jsons.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
