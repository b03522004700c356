"""OpenAI's embeddings, and the many servers that offer them in the same form.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import binascii
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .. import jsons
from ..profiles import ModelProfile
from ..results import EmbeddingResult
from ..usage import NO_USAGE, Usage
from .broken import broken_reply
from .openai_errors import read_error

PATH = "/embeddings"
MAX_INPUTS = 2048
MAX_TOKENS = 300_000

EncodingFormat = Literal["float", "base64"]
Tokens = list[int]
EmbeddingInput = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
"""What `embed()` takes: a text, a list of texts, a text's tokens, or a list of these."""

_EXPECTED = "a list of embeddings"
_FORMATS = ("float", "base64")
_FLOATS_ONLY = {float}
_INPUTS = "a string, a list of strings, a list of token numbers, or a list of such lists"


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to be turned into vectors.

    Args:
        model: The name that goes out.
        profile: What is known of the model.
        inputs: Texts, or texts as token numbers.
        encoding_format: How the vectors travel.
        dimensions: Numbers in each vector, where the model lets one choose.
        user: The end user's id.
        extra_body: Further members of the request's JSON; they win over ours.
    """

    model: str
    profile: type[ModelProfile]
    inputs: list[str | Tokens]
    encoding_format: EncodingFormat = "base64"
    dimensions: int | None = None
    user: str | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)


def embedding_request(
    inputs: EmbeddingInput,
    *,
    model: str,
    profile: type[ModelProfile],
    encoding_format: EncodingFormat | None = None,
    dimensions: int | None = None,
    user: str | None = None,
    extra_body: Mapping[str, Any] | None = None,
) -> EmbeddingRequest:
    """The arguments of a call, checked.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: There is nothing to embed, an argument is out of range, or the model makes no embeddings.
    """
    if profile.category != "embeddings" and profile.vendor != "unknown":
        raise ValueError(
            f"{model} is not an embedding model: use complete() with it, or embed() with a model such as "
            '"text-embedding-3-small"'
        )
    if encoding_format is None:
        encoding_format = "base64"
    if encoding_format not in _FORMATS:
        raise ValueError(f'encoding_format is "float" or "base64", got {encoding_format!r}')
    if dimensions is not None:
        if isinstance(dimensions, bool) or not isinstance(dimensions, int):
            raise TypeError(f"dimensions is a whole number, got {type(dimensions).__name__}")
        if dimensions < 1:
            raise ValueError(f"dimensions is at least 1, got {dimensions}")
        if not profile.capabilities.dimensions:
            raise ValueError(f"{model} makes vectors of one size only: leave dimensions out")
    if extra_body is not None and not isinstance(extra_body, Mapping):
        raise TypeError(f"extra_body is a dict, got {type(extra_body).__name__}")
    return EmbeddingRequest(
        model, profile, _input_list(inputs), encoding_format, dimensions, user, dict(extra_body or {})
    )


def _input_list(inputs: EmbeddingInput) -> list[str | Tokens]:
    if isinstance(inputs, str):
        return [_checked(inputs, "inputs")]
    if isinstance(inputs, (bytes, bytearray, Mapping)) or not isinstance(inputs, Iterable):
        raise TypeError(f"inputs is {_INPUTS}, got {type(inputs).__name__}")
    listed: list[Any] = list(inputs)
    if not listed:
        raise ValueError("inputs is empty: pass at least one text")
    if _is_token(listed[0]):
        return [_checked(listed, "inputs")]
    return [_checked(item, f"inputs[{position}]") for position, item in enumerate(listed)]


def _checked(item: Any, name: str) -> str | Tokens:
    if isinstance(item, str):
        if not item:
            raise ValueError(f"{name} is an empty string, which has no embedding")
        return item
    if isinstance(item, (bytes, bytearray, Mapping)) or not isinstance(item, Iterable):
        raise TypeError(f"{name} is a string or a list of token numbers, got {type(item).__name__}")
    tokens = list(item)
    if not tokens:
        raise ValueError(f"{name} is an empty list, which has no embedding")
    if not all(map(_is_token, tokens)):
        raise TypeError(f"{name} holds something other than token numbers; expected {_INPUTS}")
    return tokens


def _is_token(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def split(request: EmbeddingRequest) -> list[list[str | Tokens]]:
    """The inputs in parts that the API takes in one request each, in order.

    The tokens of a text are not counted, which would need the model's vocabulary: a token is at least one byte, and
    no text may have more tokens than the model reads, so that the smaller of the two is never too low.
    """
    inputs = request.inputs
    longest = request.profile.max_input_tokens
    parts: list[list[str | Tokens]] = []
    start = total = 0
    for position, item in enumerate(inputs):
        tokens = _most_tokens(item)
        if longest is not None and tokens > longest:
            tokens = longest
        total += tokens
        if position > start and (total > MAX_TOKENS or position - start == MAX_INPUTS):
            parts.append(inputs[start:position])
            start, total = position, tokens
    parts.append(inputs[start:] if start else inputs)
    return parts


def _most_tokens(item: str | Tokens) -> int:
    if isinstance(item, str) and not item.isascii():
        return len(item.encode("utf-8", "surrogatepass"))
    return len(item)


def build_request(request: EmbeddingRequest, inputs: Sequence[str | Tokens]) -> dict[str, Any]:
    """The JSON body of a request for some of the inputs."""
    body: dict[str, Any] = {
        "model": request.model,
        "input": inputs,
        "encoding_format": request.encoding_format,
    }
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.user is not None:
        body["user"] = request.user
    body.update(request.extra_body)
    return body


def parse_response(body: bytes, request: EmbeddingRequest, count: int) -> EmbeddingResult:
    """The answer of status 200; a body that is none becomes a result with an error.

    Args:
        body: What came.
        request: What was asked.
        count: How many inputs were sent.
    """
    try:
        value = jsons.loads_wire(body)
        vectors = _vectors(value["data"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _no_embeddings(body)
    usage = value.get("usage")
    model = value.get("model")
    result = EmbeddingResult(
        embeddings=vectors,
        usage=_read_usage(usage, request) if usage else NO_USAGE,
        model=model if isinstance(model, str) and model else request.model,
    )
    if len(vectors) == count:
        return result
    error = f"the reply holds {len(vectors)} embeddings, expected {count}"
    return EmbeddingResult(usage=result.usage, model=result.model, status=502, error=error)


def _vectors(data: list[dict[str, Any]]) -> list[list[float]]:
    """The vectors in the order of the inputs.

    Raises:
        ValueError: What came are no vectors, or their numbers are not 0, 1, 2, ...
        TypeError: The same.
    """
    vectors = [_vector(item["embedding"]) for item in data]
    numbers: list[Any] = [item.get("index") for item in data]
    in_order = list(range(len(data)))
    if numbers == in_order or not any(number is not None for number in numbers):
        return vectors
    places = dict(zip(numbers, vectors, strict=True))
    if places.keys() != set(in_order):
        raise ValueError("the embeddings are not numbered from 0")
    return [places[number] for number in in_order]


def _vector(value: Any) -> list[float]:
    # Servers that know no base64 send numbers nevertheless.
    if isinstance(value, str):
        content = binascii.a2b_base64(value)
        # a2b_base64 skips characters that are none of its own.
        if not content or len(value) % 4 or len(content) != len(value) // 4 * 3 - value.count("=", -2):
            raise ValueError("the embedding is not base64")
        numbers = array("f", content)
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tolist()
    if not isinstance(value, list) or not value:
        raise TypeError("an embedding is a list of numbers or base64")
    if set(map(type, value)) == _FLOATS_ONLY:
        return value
    # Refuses what is no number, and makes floats of whole numbers.
    return array("d", value).tolist()


def _no_embeddings(body: bytes) -> EmbeddingResult:
    # Some gateways answer an error with status 200.
    try:
        value = jsons.loads_wire(body)
    except ValueError:
        value = None
    failure = read_error(value)
    if failure is not None:
        return EmbeddingResult(status=failure.status or 502, error=failure.message, error_code=failure.code)
    broken = broken_reply(body, _EXPECTED)
    return EmbeddingResult(status=broken.status, error=broken.error)


def _read_usage(usage: Any, request: EmbeddingRequest) -> Usage:
    try:
        return request.profile.parse_usage(usage)
    except (TypeError, ValueError, AttributeError):
        # Counts that nobody can read are no reason to lose the vectors.
        return NO_USAGE


def join(parts: Sequence[EmbeddingResult | None]) -> EmbeddingResult:
    """The results of all requests as one.

    Args:
        parts: In order; None for a request that was not sent because another one had failed.
    """
    made = [part for part in parts if part is not None]
    failed = next((part for part in made if not part.ok), None)
    if len(parts) == 1:
        return made[0]
    attempts = tuple(attempt for part in made for attempt in part.attempts)
    good = [part for part in made if part.ok]
    usage = Usage.sum(part.usage for part in good) if good else NO_USAGE
    if failed is not None:
        return EmbeddingResult(
            usage=usage,
            model=failed.model,
            status=failed.status,
            error=f"{len(good)} of {len(parts)} requests succeeded; another one failed: {failed.error}",
            error_code=failed.error_code,
            request_id=failed.request_id,
            attempts=attempts,
        )
    return EmbeddingResult(
        embeddings=[vector for part in good for vector in part.embeddings],
        usage=usage,
        model=good[0].model,
        request_id=good[-1].request_id,
        attempts=attempts,
    )
