"""A wanted form of answer in words, for models that cannot be held to it."""

from __future__ import annotations

from .. import jsons
from .request import ResponseFormat


def format_instruction(wanted: ResponseFormat) -> str:
    """What a model is told that has no mode for the form."""
    if wanted.kind == "json_object":
        what = "one JSON object"
    else:
        what = "one JSON value"
    lines = [f"Answer with {what} and nothing else: no Markdown fence, no words before or after it."]
    if wanted.description:
        lines.append(f"It is: {wanted.description}")
    if wanted.schema is not None:
        lines.append(f"It must be valid under this JSON schema:\n{jsons.dumps_text(dict(wanted.schema))}")
    return "\n".join(lines)
