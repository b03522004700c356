"""From a line of a vendor's result file to the result that the live call would have returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from . import jsons
from .profiles import ModelProfile
from .results import Attempt, CompletionResult, EmbeddingResult
from .retry import is_retryable
from .structured import INVALID_OUTPUT, OutputForm, read_output
from .usage import Usage
from .vendor_batch import Outcome
from .wire import openai_embeddings
from .wire.openai_embeddings import EmbeddingRequest
from .wire.request import CompletionRequest, Dialect, Failure

TIER = "batch"
"""The service tier that the price table keeps the vendors' batch prices under."""

_Result = TypeVar("_Result", CompletionResult, EmbeddingResult)

_NO_WORDS = Failure("the vendor gave no reason")
# Asking again changes nothing until somebody pays.
_FINAL_CODES = frozenset({"insufficient_quota", INVALID_OUTPUT})


def read_results(
    files: Iterable[bytes], read_line: Callable[[Any], tuple[str, Outcome] | None]
) -> tuple[dict[str, Outcome], int]:
    """What became of each request, by its name, from the vendor's result files in any order of lines.

    Args:
        files: The files' bytes.
        read_line: The vendor's, from a decoded line.

    Returns:
        The outcomes, and how many lines could not be read: a torn line costs its own request at most.
    """
    found: dict[str, Outcome] = {}
    torn = 0
    for data in files:
        for line in data.split(b"\n"):
            if not line.strip():
                continue
            try:
                entry = read_line(jsons.loads(line))
            except ValueError:
                entry = None
            if entry is None:
                torn += 1
                continue
            name, outcome = entry
            known = found.get(name)
            # An answer that was paid for is worth more than a later word that there is none.
            if known is None or (outcome.ok and not known.ok):
                found[name] = outcome
    return found, torn


def completion_result(
    outcome: Outcome,
    request: CompletionRequest,
    form: OutputForm,
    dialect: Dialect,
    provider: str,
    redact: Callable[[str], str],
) -> CompletionResult:
    """The result of a question.

    Args:
        outcome: What the file says.
        request: The question.
        form: What the answer must look like.
        dialect: Reads the answer, as it does a live one.
        provider: The provider's name.
        redact: Takes secrets out of words.
    """
    if not outcome.ok:
        return _failed(CompletionResult(model=request.model, provider=provider), outcome, redact)
    result = dialect.parse_response(outcome.body, request)
    result = replace(
        result,
        usage=_priced(outcome.body, request.profile, result.usage),
        error=None if result.error is None else redact(result.error),
        provider=provider,
        request_id=outcome.request_id or result.request_id,
        attempts=(Attempt(result.status, result.error),),
    )
    parsed, problem = read_output(form, result)
    if problem is not None:
        return replace(result, error=problem, error_code=INVALID_OUTPUT)
    return result if parsed is None else replace(result, parsed=parsed)


def embedding_result(
    outcome: Outcome, request: EmbeddingRequest, count: int | None, redact: Callable[[str], str]
) -> EmbeddingResult:
    """The result of texts to embed.

    Args:
        outcome: What the file says.
        request: The request.
        count: How many vectors must come; None for as many as there are.
        redact: Takes secrets out of words.
    """
    if not outcome.ok:
        return _failed(EmbeddingResult(model=request.model), outcome, redact)
    if count is None:
        count = _vectors_in(outcome.body)
    result = openai_embeddings.parse_response(outcome.body, request, count)
    return replace(
        result,
        usage=_priced(outcome.body, request.profile, result.usage),
        error=None if result.error is None else redact(result.error),
        request_id=outcome.request_id or result.request_id,
        attempts=(Attempt(result.status, result.error),),
    )


def _failed(result: _Result, outcome: Outcome, redact: Callable[[str], str]) -> _Result:
    failure = outcome.failure or _NO_WORDS
    words = redact(failure.message)
    return replace(
        result,
        status=outcome.status,
        error=words,
        error_code=failure.code,
        request_id=outcome.request_id,
        attempts=(Attempt(outcome.status, words),),
    )


def to_be_repeated(result: CompletionResult | EmbeddingResult) -> bool:
    """Whether a later batch may answer what this one did not: expired, missing, or the vendor's own failure."""
    return not result.ok and result.error_code not in _FINAL_CODES and is_retryable(result.status, {})


def _priced(body: bytes, profile: type[ModelProfile], usage: Usage) -> Usage:
    if not usage.total_tokens:
        return usage
    try:
        value = jsons.loads_wire(body)
        if not isinstance(value, Mapping):
            return usage
        return profile.parse_usage(value, service_tier=TIER)
    except (TypeError, ValueError, AttributeError):
        # Counts of a strange shape, which the dialect could make something of: what they cost is not known.
        return replace(usage, input_cost=None, output_cost=None, total_cost=None)


def _vectors_in(body: bytes) -> int:
    try:
        data = jsons.loads_wire(body)["data"]
    except (ValueError, TypeError, KeyError):
        return 1
    return len(data) if isinstance(data, list) else 1
