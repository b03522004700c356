"""Anthropic's Claude."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, NoReturn

from ..._core import jsons
from ..._core.cache_options import CacheSettings
from ..._core.endpoint import find_endpoint, refuse_beside_client
from ..._core.exceptions import error_class
from ..._core.http import HttpRequest, Timeouts
from ..._core.messages import MessageInput
from ..._core.options import CallOptions, check_count, check_number, check_option_names
from ..._core.profiles import ModelProfile
from ..._core.results import Attempt
from ..._core.retry import RetryPolicy
from ..._core.structured import OutputForm
from ..._core.version import USER_AGENT
from ..._core.wire import anthropic_messages
from ..._core.wire.request import CompletionRequest
from ..._seam import _async as seam
from .batching import BatchingProvider

if sys.version_info >= (3, 11):
    from typing import Unpack
else:
    from typing_extensions import Unpack

_VENDOR_URL = "https://api.anthropic.com"

ANTHROPIC_AVAILABLE: bool = find_spec("anthropic") is not None
"""Whether Anthropic's own SDK is installed; this provider works without it."""


class AnthropicProvider(BatchingProvider):
    """Anthropic's Claude models, or any server that speaks the Messages API.

    Args:
        model: A model's name or a ModelProfile.
        api_key: Default: the environment variable ANTHROPIC_API_KEY; a base_url that is not Anthropic's needs none.
        base_url: Default: ANTHROPIC_BASE_URL, else Anthropic's own; without `/v1`.
        max_tokens: Most output tokens where a call does not say; the API demands a number.
        default_temperature: Sampling temperature where a call does not say; None leaves it to the API.
        cache_backend: Where answers of calls with `cache_response=True` are kept: "fs" (files), "pg_redis" (PostgreSQL
            and Redis), "qdrant" (similar questions too), a cache object, or None. Nothing is created before the first
            answer is stored.
        cache_dir: The folder of "fs", and of "qdrant" without a server.
        cache_collection: Which part of the cache; a call may name another. None for "default".
        pg_dsn: PostgreSQL's connection string. Default: PG_DSN.
        redis_url: Redis's or Valkey's address. Default: REDIS_URL.
        redis_ttl_seconds: How long Redis keeps an answer; PostgreSQL keeps it until it is purged.
        compress_pg: Compress what goes into PostgreSQL.
        qdrant_url: Qdrant's address. Default: QDRANT_URL, else Qdrant's own engine in a folder below cache_dir.
        qdrant_api_key: Qdrant's key. Default: QDRANT_API_KEY.
        timeout: Longest silence in seconds (600 unless given), or a Timeouts.
        attempts: Tries in all for each call; a call may say otherwise.
        backoff: Longest wait in seconds before the second try.
        http_client: An httpx client of this face to send requests with, for mounts, custom TLS and the like.
        client: A client of Anthropic's own SDK, of this face, to send requests with: Anthropic, Bedrock, Vertex or
            another one. Its address, credentials and HTTP settings are used, its retries are not. It stays the caller's
            to close, and belongs to one event loop where it is asynchronous.
        limiter: A Limiter of this face. None takes the one that all providers of this process share for one address,
            key and model, which learns the limits from the server; False keeps to none.
        on_attempt: Called with an Attempt after every try; plain, or of this face's colour.
        retry_policy: Says more about retries than attempts and backoff, which it replaces.

    Raises:
        ConfigurationError: There is no key, or no address of a cache's server.
        ImportError: The cache needs a package that is not installed.
        TypeError: An argument has the wrong type, or http_client or client belongs to the other face.
        ValueError: A number is out of range, or client comes with api_key, base_url or http_client.
    """

    _name = "anthropic"

    def __init__(
        self,
        model: str | type[ModelProfile] = "claude-haiku-4-5",
        api_key: str | None = None,
        base_url: str | None = None,
        max_tokens: int = anthropic_messages.DEFAULT_MAX_TOKENS,
        default_temperature: float | None = None,
        *,
        cache_backend: Any = "fs",
        cache_dir: str | os.PathLike[str] = "./cache",
        cache_collection: str | None = None,
        pg_dsn: str | None = None,
        redis_url: str | None = None,
        redis_ttl_seconds: float = 86400,
        compress_pg: bool = True,
        qdrant_url: str | None = None,
        qdrant_api_key: str | None = None,
        timeout: float | Timeouts | None = None,
        attempts: int = 3,
        backoff: float = 1.0,
        http_client: Any = None,
        client: Any = None,
        limiter: Any = None,
        on_attempt: Callable[[Attempt], Any] | None = None,
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        if client is None:
            endpoint = find_endpoint(
                os.environ,
                vendor="Anthropic",
                api_key=api_key,
                base_url=base_url,
                key_variable="ANTHROPIC_API_KEY",
                url_variable="ANTHROPIC_BASE_URL",
                vendor_url=_VENDOR_URL,
                # The paths of this API begin with /v1; a base URL that ends with it is meant the same.
                left_out="/v1",
            )
            headers = {"user-agent": USER_AGENT, **anthropic_messages.auth_headers(endpoint.api_key)}
        else:
            refuse_beside_client(api_key=api_key, base_url=base_url, http_client=http_client)
            endpoint = seam.client_endpoint(client, self._name)
            # The client knows its key, but the version of the API is the one that our dialect speaks.
            headers = anthropic_messages.auth_headers(None)
        check_count("max_tokens", max_tokens)
        check_number("default_temperature", default_temperature, low=0.0)
        self.max_tokens = max_tokens
        self.default_temperature = default_temperature
        self._dialect = anthropic_messages
        self._set_up(
            model=model,
            endpoint=endpoint,
            headers=headers,
            timeout=timeout,
            http_client=http_client,
            client=client,
            policy=retry_policy or RetryPolicy(attempts=attempts, backoff=backoff),
            limiter=limiter,
            on_attempt=on_attempt,
            cache=CacheSettings(
                cache_backend,
                cache_dir,
                cache_collection,
                pg_dsn,
                redis_url,
                redis_ttl_seconds,
                compress_pg,
                qdrant_url,
                qdrant_api_key,
            ),
        )

    async def count_tokens(
        self, messages: MessageInput, tools: Sequence[Any] | None = None, **options: Unpack[CallOptions]
    ) -> int:
        """Ask the API how many input tokens a request would have; costs nothing.

        https://platform.claude.com/docs/en/api/messages-count-tokens

        Args:
            messages: As in `complete()`.
            tools: As in `complete()`.
            **options: As in `complete()`.

        Raises:
            APIError: The API, or the way to it, answered with an error.
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range.
        """
        check_option_names("count_tokens", options)
        request, http = self._prepare(self._request(messages, tools, None, options, stream=False)[0], options)
        asked = HttpRequest(
            "POST",
            self._endpoint.base_url + anthropic_messages.COUNT_PATH,
            http.headers,
            jsons.dumps(anthropic_messages.build_count_request(request)),
            http.timeouts,
        )
        answer = await self._exchange.send(asked, self._policy_for(options), limited=False)
        if 200 <= answer.status < 300:
            count = anthropic_messages.parse_count(answer.body)
            if count is not None:
                return count
        failure = self._failure(answer)
        raise error_class(answer.status, failure.code)(failure.message, status=answer.status)

    async def embed(self, inputs: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Not offered by Anthropic.

        Raises:
            NotImplementedError: Always; names the alternative.
        """
        raise NotImplementedError(
            'Anthropic has no embeddings; use OpenAIProvider(model="text-embedding-3-small").embed(...) '
            "or another embedding service"
        )

    def _request(
        self,
        messages: MessageInput,
        tools: Sequence[Any] | None,
        tool_choice: str | None,
        options: CallOptions,
        *,
        stream: bool,
    ) -> tuple[CompletionRequest, OutputForm]:
        request, form = super()._request(messages, tools, tool_choice, options, stream=stream)
        max_tokens = self.max_tokens if request.max_tokens is None else request.max_tokens
        temperature = self.default_temperature if request.temperature is None else request.temperature
        return replace(request, max_tokens=max_tokens, temperature=temperature), form

    def _headers_for(self, request: CompletionRequest) -> dict[str, str]:
        return anthropic_messages.beta_headers(request)
