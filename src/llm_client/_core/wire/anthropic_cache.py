"""Where Anthropic's prompt cache is told to keep what came so far.

At most four breakpoints in a request: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MOST = 4
_MARK = {"type": "ephemeral"}
_NOT_MARKABLE = ("thinking", "redacted_thinking")

Block = dict[str, Any]


def mark_breakpoints(body: dict[str, Any]) -> None:
    """Mark the tools, the system prompt and the last turns, within what the caller's own marks leave.

    Args:
        body: A request whose `system` is a list of blocks; the marked blocks are replaced, not changed.
    """
    left = _MOST - sum("cache_control" in block for block in _all_blocks(body))
    if "cache_control" in body:  # the API's own switch takes one as well
        left -= 1
    for name in ("tools", "system"):
        if left > 0 and body.get(name) and _mark_last(body[name]):
            left -= 1
    for turn in reversed(body["messages"]):
        if left <= 0:
            return
        # The next request repeats this one up to the last turn of the user: that is where its hit will be.
        if turn["role"] == "user" and _mark_last(turn["content"]):
            left -= 1


def _all_blocks(body: dict[str, Any]) -> Iterator[Block]:
    yield from body.get("tools") or ()
    yield from body.get("system") or ()
    for turn in body["messages"]:
        for block in turn["content"]:
            yield block
            if isinstance(block.get("content"), list):
                yield from block["content"]


def _mark_last(blocks: list[Block]) -> bool:
    for at in range(len(blocks) - 1, -1, -1):
        block = blocks[at]
        if block.get("type") in _NOT_MARKABLE:
            continue
        if "cache_control" in block:
            return False  # marked by the caller, and counted
        blocks[at] = {**block, "cache_control": _MARK}
        return True
    return False
