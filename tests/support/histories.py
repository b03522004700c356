"""Message lists as interruptions, edits and changes of vendor leave them, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from llm_client._core.message_counts import TokenCounter
from llm_client._core.messages import Message, ProviderItems, Role, ToolCall
from llm_client._core.parts import ImagePart, TextPart

IMAGE = ImagePart(data="iVBORw0KGgo=", media_type="image/png")

texts = st.sampled_from(["", " ", "\n\n", "hello", "good morning ", "grüß dich", "日本", "a" * 60, "<|endoftext|>"])
call_ids = st.sampled_from(["", "call_0", "call_1", "call_2", "toolu_01", "a|b", "fc.1", "x" * 90])
names = st.sampled_from(["search", "get weather", "ns.tool", "n" * 140])
arguments = st.sampled_from(["{}", '{"q": "x"}', "", "null", "{broken", "[1]"])
calls = st.builds(ToolCall, call_ids, names, arguments)


@st.composite
def contents(draw: st.DrawFn) -> str | list[TextPart | ImagePart] | None:
    kind = draw(st.sampled_from(["text", "text", "text", "parts", "none"]))
    if kind == "none":
        return None
    if kind == "text":
        return draw(texts)
    return draw(st.lists(st.one_of(st.builds(TextPart, texts), st.just(IMAGE)), max_size=3))


@st.composite
def provider_items(draw: st.DrawFn, text: str, made: list[ToolCall]) -> ProviderItems | None:
    """A vendor's items for a message; also cut short, edited, or of the other vendor."""
    kind = draw(st.sampled_from(["none", "none", "anthropic", "responses", "reasoning only"]))
    if kind == "none":
        return None
    whole = draw(st.booleans())
    if kind == "anthropic":
        blocks: list[dict[str, object]] = []
        if draw(st.booleans()):
            blocks.append(
                {"type": "thinking", "thinking": "hm", "signature": draw(st.sampled_from(["sig", "sig", ""]))}
            )
        if draw(st.booleans()):
            blocks.append({"type": "redacted_thinking", "data": "xyz"})
        if text:
            blocks.append({"type": "text", "text": text})
        blocks += [{"type": "tool_use", "id": call.id, "name": call.name, "input": {}} for call in made]
        return ProviderItems("anthropic-messages", tuple(blocks if whole else blocks[: draw(st.integers(0, 3))]))
    number = draw(st.integers(0, 10**9))
    items: list[dict[str, object]] = [
        {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": f"enc{number}"}
    ]
    if kind == "responses":
        if text:
            part = {"type": "output_text", "text": text, "annotations": []}
            items.append(
                {
                    "type": "message",
                    "id": f"msg_{number}",
                    "role": "assistant",
                    "status": "completed",
                    "content": [part],
                }
            )
        items += [
            {
                "type": "function_call",
                "id": f"fc_{number}_{position}",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
                "status": "completed" if whole else "in_progress",
            }
            for position, call in enumerate(made)
        ]
    return ProviderItems("openai-responses", tuple(items))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    role = draw(st.sampled_from(["user", "user", "assistant", "assistant", "call", "tool", "tool", "system"]))
    if role == "user":
        return Message(Role.USER, draw(contents()))
    if role == "system":
        return Message(Role.SYSTEM, draw(texts))
    if role == "tool":
        return Message.tool_result(draw(call_ids), draw(texts), draw(names), is_error=draw(st.booleans()))
    text = draw(texts)
    made = draw(st.lists(calls, min_size=1, max_size=3)) if role == "call" else []
    return Message(
        Role.ASSISTANT,
        draw(st.sampled_from([text, text or None])),
        tool_calls=made or None,
        provider_items=draw(provider_items(text, made)),
    )


histories = st.lists(messages(), max_size=14)


@st.composite
def exchanges(draw: st.DrawFn, number: int) -> list[Message]:
    """A tool exchange as a healthy agent writes it."""
    made = [ToolCall(f"call_{number}_{k}", "search", "{}") for k in range(draw(st.integers(1, 3)))]
    results = [Message.tool_result(call.id, draw(words), "search") for call in draw(st.permutations(made))]
    return [Message.assistant(draw(st.sampled_from([None, "let me see"])), made), *results]


words = st.integers(1, 40).map(lambda length: "w" * length)


@st.composite
def healthy(draw: st.DrawFn) -> list[Message]:
    """A conversation with nothing wrong in it."""
    made: list[Message] = []
    for number, kind in enumerate(draw(st.lists(st.sampled_from("uuaat"), max_size=25))):
        if kind == "u":
            made.append(Message.user(draw(words)))
        elif kind == "a":
            made.append(Message.assistant(draw(words)))
        else:
            made += draw(exchanges(number))
    return made


def length(message: Message) -> int:
    """A cheap stand-in for a tokenizer: one for the message, one for each character."""
    return 1 + len(message.text) + sum(len(call.arguments) + len(call.name) for call in message.tool_calls or ())


LENGTHS = TokenCounter("characters", True, length, 3)
