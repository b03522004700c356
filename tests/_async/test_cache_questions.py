"""QdrantCache over real sentence embeddings: what it takes for the same, and what never answers for another."""

from __future__ import annotations

from typing import Any

from llm_client._core.cache_key import SemanticQuestion
from llm_client.testing import FakeAPI
from support._async import face
from support.questions import Pair, question_pairs, stored_embedding, stored_vectors

PAIRS = question_pairs()


def place_of(number: int) -> str:
    return f"part {number % 16}"  # Qdrant's engine inside the process looks at every point of a collection


def asked_of(number: int, text: str) -> SemanticQuestion:
    return SemanticQuestion(f"pair {number}", text)  # each pair by itself, as the table was made


def in_table(part: str, careful: bool, threshold: float) -> tuple[int, int, int]:
    rows = {tuple(row[:3]): tuple(row[3:]) for row in stored_vectors()["table"]}
    return rows[part, careful, threshold]


async def hits_of(cache: Any) -> list[tuple[Pair, float]]:
    hits = []
    for number, pair in enumerate(PAIRS):
        found = await cache.find(place_of(number), asked_of(number, pair.second))
        if found is not None:
            assert found[0] == b"%d" % number
            hits.append((pair, found[1]))
    return hits


async def test_precision_and_recall_are_those_of_the_table() -> None:
    async with face.QdrantCache(":memory:", embedder=stored_embedding) as cache:
        assert (cache.similarity_threshold, cache.careful) == (0.97, True)
        for number, pair in enumerate(PAIRS):
            await cache.keep(place_of(number), f"{number:064d}", b"%d" % number, asked_of(number, pair.first))
        for careful in (True, False):
            cache.careful = careful
            hits = await hits_of(cache)
            assert all(similarity >= 0.97 for _, similarity in hits)
            for part in ("made", "held"):
                right = sum(pair.same for pair, _ in hits if pair.part == part)
                wrong = sum(not pair.same for pair, _ in hits if pair.part == part)
                paraphrases = sum(pair.same for pair in PAIRS if pair.part == part)
                assert (right, wrong, paraphrases) == in_table(part, careful, 0.97)
            # What the words are looked at for: the threshold alone lets other questions through.
            assert all(pair.same for pair, _ in hits) is careful


async def test_the_nearest_question_whose_words_allow_it_answers() -> None:
    texts = {
        "How far is it from Rome to Bari?": 0.0,
        "How far is it from Bari to Rome?": 0.01,
        "Rome-Bari: what way?": 0.1,
    }

    def embedder(text: str) -> list[float]:
        return [1.0, texts[text]]

    first, turned, other = (SemanticQuestion("f", text) for text in texts)
    async with face.QdrantCache(":memory:", embedder=embedder) as cache:
        await cache.keep("default", "a" * 64, b"turned", turned)
        assert await cache.find("default", first) is None
        await cache.keep("default", "b" * 64, b"other", other)
        found = await cache.find("default", first)
        assert found is not None
        assert found[0] == b"other"


@face.tool
def look(place: str) -> str:
    """Look at a place."""
    return place


CONTEXTS: list[dict[str, Any]] = [
    {},
    {"system": "Answer in one word."},
    {"system": "Answer in one line."},
    {"tools": [look]},
    {"tools": [look], "tool_choice": "none"},
    {"response_format": "json_object"},
    {"response_format": {"type": "object", "properties": {"x": {"type": "integer"}}}},
    {"max_tokens": 100},
    {"model": "gpt-5.6-sol"},
]


async def test_no_answer_crosses_models_system_prompts_tools_or_formats(api: FakeAPI) -> None:
    near = [pair for pair in PAIRS if pair.same and pair.language == "en" and pair.kind in ("wording", "politeness")]
    async with face.QdrantCache(":memory:", embedder=stored_embedding) as cache:
        providers = {
            model: face.OpenAIProvider(model=model, base_url=api.openai_url, cache_backend=cache)
            for model in ("gpt-5.6-luna", "gpt-5.6-sol")
        }

        async def ask(number: int, text: str) -> Any:
            context = dict(CONTEXTS[number])
            asked = providers[context.pop("model", "gpt-5.6-luna")]
            messages = [face.Message.system(context.pop("system", "JSON")), face.Message.user(text)]
            return await asked.complete(messages, cache_response=True, **context)

        hits = 0
        api.by_default('{"x": -1}')
        for place, pair in enumerate(near[:24]):
            # Every context stores its own answer; the paraphrase may only find that of its own.
            for number in range(len(CONTEXTS)):
                api.reply(f'{{"x": {100 * place + number}}}')
                stored = await ask(number, pair.first)
                assert (stored.cached, stored.content) == (False, f'{{"x": {100 * place + number}}}')
            for number in (place % len(CONTEXTS), (place + 4) % len(CONTEXTS)):
                found = await ask(number, pair.second)
                hits += found.cached
                assert found.content == (f'{{"x": {100 * place + number}}}' if found.cached else '{"x": -1}')
        assert hits >= 8
        for asked in providers.values():
            await asked.close()
