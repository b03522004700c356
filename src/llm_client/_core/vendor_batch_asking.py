"""From a request's arguments to what goes into a batch, and what may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from . import jsons
from .options import CallOptions
from .profiles import ModelProfile
from .structured import TEXT, OutputForm
from .vendor_batch import BatchEmbedding
from .vendor_batch_answers import completion_result, embedding_result
from .vendor_batch_packing import Question
from .wire import openai_embeddings
from .wire.openai_embeddings import EmbeddingRequest
from .wire.request import CompletionRequest, Dialect


def completion_question(
    request: CompletionRequest,
    body: Mapping[str, Any],
    form: OutputForm,
    *,
    dialect: Dialect,
    provider: str,
    headers: Mapping[str, str],
    redact: Callable[[str], str],
) -> Question:
    """A question to the model.

    Args:
        request: The question, after the model's capabilities were applied.
        body: Its JSON.
        form: What the answer must look like.
        dialect: Of the live endpoint.
        provider: The provider's name.
        headers: What the request needs besides.
        redact: Takes secrets out of words.
    """
    read = partial(completion_result, request=request, form=form, dialect=dialect, provider=provider, redact=redact)
    return Question(dialect.PATH, jsons.dumps(body), read, headers)


def embedding_question(
    asked: BatchEmbedding, *, model: str, profile: type[ModelProfile], redact: Callable[[str], str]
) -> Question:
    """Texts to embed.

    Args:
        asked: The arguments.
        model: The name that goes out.
        profile: What is known of it.
        redact: Takes secrets out of words.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range, the model makes no embeddings, or there are more inputs than one
            request takes.
    """
    request = openai_embeddings.embedding_request(
        asked.inputs,
        model=model,
        profile=profile,
        encoding_format=asked.encoding_format,
        dimensions=asked.dimensions,
        user=asked.user,
        extra_body=asked.extra_body,
    )
    count = len(request.inputs)
    if len(openai_embeddings.split(request)) > 1:
        raise ValueError(
            f"one request of a batch embeds at most {openai_embeddings.MAX_INPUTS:,} texts with "
            f"{openai_embeddings.MAX_TOKENS:,} tokens together, got {count:,} texts: make several requests of them"
        )
    body = openai_embeddings.build_request(request, request.inputs)
    read = partial(embedding_result, request=request, count=count, redact=redact)
    return Question(openai_embeddings.PATH, jsons.dumps(body), read, inputs=count)


def unknown_question(
    kind: str, *, model: str, profile: type[ModelProfile], dialect: Dialect, provider: str, redact: Callable[[str], str]
) -> Question:
    """What reads an answer whose request is not at hand.

    Args:
        kind: "completion" or "embedding".
        model: The provider's.
        profile: What is known of it.
        dialect: Of the live endpoint.
        provider: The provider's name.
        redact: Takes secrets out of words.
    """
    if kind == "embedding":
        texts = EmbeddingRequest(model, profile, [])
        read_vectors = partial(embedding_result, request=texts, count=None, redact=redact)
        return Question(openai_embeddings.PATH, b"", read_vectors, inputs=1)
    request = CompletionRequest(model, profile, [])
    return completion_question(request, {}, TEXT, dialect=dialect, provider=provider, headers={}, redact=redact)


def check_batch_options(options: CallOptions) -> None:
    """Refuse what has no meaning for a request that goes to the vendor in a file with others.

    Raises:
        ValueError: Headers of its own were given.
    """
    if options.get("extra_headers"):
        raise ValueError(
            "extra_headers has no meaning in a batch, whose requests have no headers of their own: leave it out, or "
            "send this request live"
        )
