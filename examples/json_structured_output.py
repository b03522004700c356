"""Answers as JSON and as objects: any JSON, a schema, a pydantic model; what happens when an answer does not fit.

python examples/json_structured_output.py
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Literal

from offline import fake_api_without_key
from pydantic import BaseModel, Field

from llm_client import OpenAIProvider

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


class Ingredient(BaseModel):
    """One line of a recipe."""

    name: str
    grams: float = Field(gt=0)


class Recipe(BaseModel):
    """What the model is asked for."""

    title: str
    difficulty: Literal["easy", "hard"]
    ingredients: list[Ingredient]


COLOURS = {
    "type": "object",
    "properties": {"colours": {"type": "array", "items": {"type": "string"}}},
    "required": ["colours"],
    "additionalProperties": False,
}


async def main() -> None:
    """From loose to strict."""
    async with OpenAIProvider(model=MODEL) as provider:
        print("== any JSON")
        result = await provider.complete("Give me a city as JSON.", response_format="json_object")
        print(json.loads(result.content))

        print("\n== a JSON schema")
        result = await provider.complete("Three colours.", response_format=COLOURS)
        print(result.parsed)

        print("\n== a pydantic model")
        result = await provider.complete("A recipe for pancakes.", response_format=Recipe)
        print(repr(result.parsed))

        print("\n== any type; an answer that does not fit is asked for again, with the validation's words")
        result = await provider.complete("Three prime numbers.", response_format=list[int])
        print(result.parsed, "after", len(result.attempts), "requests")

        print("\n== one that never fits is a result that says so")
        result = await provider.complete("Three prime numbers.", response_format=list[int], output_retries=0)
        print(f"ok={result.ok}: {str(result.error).splitlines()[0]}")


if __name__ == "__main__":
    pancakes = {"title": "Pancakes", "difficulty": "easy", "ingredients": [{"name": "flour", "grams": 200}]}
    answers = [
        '{"city": "Tokyo", "country": "Japan"}',
        '{"colours": ["red", "green", "blue"]}',
        json.dumps(pancakes),
        '{"value": ["two", 3, 5]}', '{"value": [2, 3, 5]}',
        '{"value": "none"}',
    ]  # fmt: skip
    with fake_api_without_key("OPENAI_API_KEY", answers):
        asyncio.run(main())
