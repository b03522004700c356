"""The lists of models of both vendors."""

from __future__ import annotations

from typing import Any

from .rendering import EPOCH

MODELS = (
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-5.1",
    "gpt-5.2",
    "text-embedding-3-large",
    "text-embedding-3-small",
    "claude-haiku-4-5",
    "claude-sonnet-5-5",
    "claude-opus-5-5",
)


def openai_model(name: str) -> dict[str, Any]:
    """One model as OpenAI describes it."""
    return {"id": name, "object": "model", "created": EPOCH, "owned_by": "openai"}


def openai_models() -> dict[str, Any]:
    """OpenAI's list: every name the server knows; it answers for any other name as well."""
    return {"object": "list", "data": [openai_model(name) for name in MODELS if not name.startswith("claude")]}


def anthropic_model(name: str) -> dict[str, Any]:
    """One model as Anthropic describes it."""
    return {
        "id": name,
        "type": "model",
        "display_name": name.replace("-", " ").title(),
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200000,
        "max_tokens": 64000,
    }


def anthropic_models() -> dict[str, Any]:
    """Anthropic's list, as one page."""
    data = [anthropic_model(name) for name in MODELS if name.startswith("claude")]
    return {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}
