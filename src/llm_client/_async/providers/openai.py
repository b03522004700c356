"""OpenAI, and every server that speaks its dialects."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..._core.cache_key import request_key
from ..._core.cache_options import CacheSettings, cache_call
from ..._core.endpoint import find_endpoint, refuse_beside_client
from ..._core.http import Timeouts
from ..._core.options import CallOptions
from ..._core.profiles import ModelProfile
from ..._core.results import Attempt, EmbeddingResult
from ..._core.retry import RetryPolicy
from ..._core.version import USER_AGENT
from ..._core.wire import openai_chat, openai_embeddings, openai_responses
from ..._core.wire.capability_rules import check_api
from ..._core.wire.openai_embeddings import EmbeddingInput, EmbeddingRequest, EncodingFormat
from ..._seam import _async as seam
from ..cached_embeddings import embed_cached
from .batching import BatchingProvider

_VENDOR_URL = "https://api.openai.com/v1"
_EMBEDDINGS_AT_ONCE = 8


class OpenAIProvider(BatchingProvider):
    """OpenAI's models, or any server that speaks Chat Completions, the Responses API or OpenAI's embeddings.

    Args:
        model: A model's name or a ModelProfile.
        api_key: Default: the environment variable OPENAI_API_KEY; a base_url that is not OpenAI's needs none.
        base_url: Default: OPENAI_BASE_URL, else OpenAI's own; with its `/v1`.
        organization: Default: OPENAI_ORG_ID.
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
        use_responses_api: Speak the Responses API instead of Chat Completions.
        project: Default: OPENAI_PROJECT_ID.
        timeout: Longest silence in seconds (600 unless given), or a Timeouts.
        attempts: Tries in all for each call; a call may say otherwise.
        backoff: Longest wait in seconds before the second try.
        http_client: An httpx client of this face to send requests with, for mounts, custom TLS and the like.
        client: A client of OpenAI's own SDK, of this face, to send requests with: OpenAI, Azure or another one. Its
            address, credentials and HTTP settings are used, its retries are not. It stays the caller's to close, and
            belongs to one event loop where it is asynchronous.
        limiter: A Limiter of this face. None takes the one that all providers of this process share for one address,
            key and model, which learns the limits from the server; False keeps to none.
        on_attempt: Called with an Attempt after every try; plain, or of this face's colour.
        retry_policy: Says more about retries than attempts and backoff, which it replaces.

    Raises:
        ConfigurationError: There is no key, or no address of a cache's server.
        ImportError: The cache needs a package that is not installed.
        TypeError: An argument has the wrong type, or http_client or client belongs to the other face.
        ValueError: The model does not answer on the chosen API of OpenAI's, or client comes with api_key, base_url or
            http_client.
    """

    _name = "openai"

    def __init__(
        self,
        model: str | type[ModelProfile] = "gpt-5.6-luna",
        api_key: str | None = None,
        base_url: str | None = None,
        organization: str | None = None,
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
        use_responses_api: bool = False,
        project: str | None = None,
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
                vendor="OpenAI",
                api_key=api_key,
                base_url=base_url,
                key_variable="OPENAI_API_KEY",
                url_variable="OPENAI_BASE_URL",
                vendor_url=_VENDOR_URL,
            )
            headers = {"user-agent": USER_AGENT}
            if endpoint.api_key is not None:
                headers["authorization"] = f"Bearer {endpoint.api_key}"
            organization = organization or os.environ.get("OPENAI_ORG_ID")
            project = project or os.environ.get("OPENAI_PROJECT_ID")
        else:
            refuse_beside_client(api_key=api_key, base_url=base_url, http_client=http_client)
            endpoint = seam.client_endpoint(client, self._name)
            headers = {}
        if organization:
            headers["openai-organization"] = organization
        if project:
            headers["openai-project"] = project
        self._dialect = openai_responses if use_responses_api else openai_chat
        if endpoint.base_url == _VENDOR_URL:
            # Other servers offer under their own addresses what OpenAI does not.
            check_api(ModelProfile.resolve(model), use_responses_api=use_responses_api)
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
        if client is None:
            self._cache.lend_account(endpoint)

    async def embed(
        self,
        inputs: EmbeddingInput,
        *,
        encoding_format: EncodingFormat = "base64",
        dimensions: int | None = None,
        user: str | None = None,
        attempts: int | None = None,
        backoff: float | None = None,
        timeout: float | Timeouts | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        cache_response: bool | None = None,
        cache_collection: str | None = None,
        rewrite_cache: bool | None = None,
        regen_cache: bool | None = None,
    ) -> EmbeddingResult:
        """Turn texts into vectors.

        More inputs than the API takes at once (2,048, or 300,000 tokens together) go out in several requests.

        Args:
            inputs: A text, a list of texts, a text's token numbers, or a list of these.
            encoding_format: How the vectors travel: "float", or "base64", which is a quarter of the size. The result
                holds lists of floats in both cases.
            dimensions: Numbers in each vector, for models that let one choose.
            user: The end user's id, for the vendor's detection of abuse.
            attempts: Tries in all for each request.
            backoff: Longest wait in seconds before the second try.
            timeout: Longest silence in seconds, or a Timeouts.
            extra_headers: Further HTTP headers.
            extra_body: Further members of the request's JSON; they win over the arguments.
            cache_response: Take from the provider's cache what is there, and store what had to be asked, text by text.
            cache_collection: Which part of the cache; the provider's own unless given.
            rewrite_cache: With cache_response: ask anew, and overwrite what is stored.
            regen_cache: With cache_response: ask anew, and leave what is stored as it is.

        Returns:
            The vectors in the order of the inputs, or a result with `ok` False, `status` and `error`. Where one of
            several requests failed, the error says how many succeeded, and `usage` is theirs.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: There is nothing to embed, an argument is out of range, or the model makes no embeddings.
        """
        options: CallOptions = {
            "attempts": attempts, "backoff": backoff, "timeout": timeout, "extra_headers": extra_headers
        }  # fmt: skip
        request = openai_embeddings.embedding_request(
            inputs,
            model=self.model,
            profile=self.profile,
            encoding_format=encoding_format,
            dimensions=dimensions,
            user=user,
            extra_body=extra_body,
        )
        caching: CallOptions = {
            "cache_response": cache_response, "cache_collection": cache_collection,
            "rewrite_cache": rewrite_cache, "regen_cache": regen_cache,
        }  # fmt: skip
        call = cache_call(caching, self._cache.collection)
        if call is None:
            return await self._embed_all(request, options, request.inputs)
        keys = [
            request_key(
                "openai-embeddings",
                self._endpoint.base_url,
                openai_embeddings.build_request(request, [item]),
                extra_headers or {},
            )
            for item in request.inputs
        ]
        fetch = partial(self._embed_all, request, options)
        return await embed_cached(self._cache, call, request.inputs, keys, fetch)

    async def _embed_all(
        self, request: EmbeddingRequest, options: CallOptions, inputs: list[str | list[int]]
    ) -> EmbeddingResult:
        request = replace(request, inputs=inputs)
        policy = self._policy_for(options)
        parts = openai_embeddings.split(request)
        failed: list[bool] = []
        work = [partial(self._embed_part, request, part, options, policy, failed) for part in parts]
        if len(work) == 1:
            return openai_embeddings.join([await work[0]()])
        outcomes = await seam.gather(work, _EMBEDDINGS_AT_ONCE)
        results: list[EmbeddingResult | None] = []
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
            results.append(outcome)
        return openai_embeddings.join(results)

    async def _embed_part(
        self,
        request: EmbeddingRequest,
        inputs: list[str | list[int]],
        options: CallOptions,
        policy: RetryPolicy,
        failed: list[bool],
    ) -> EmbeddingResult | None:
        if failed:
            return None  # nobody could use the rest
        body = openai_embeddings.build_request(request, inputs)
        answer = await self._exchange.send(self._post(openai_embeddings.PATH, body, options, {}), policy)
        headers = answer.headers
        if 200 <= answer.status < 300:
            result = openai_embeddings.parse_response(answer.body, request, len(inputs))
            answer.settle(result.usage)
        else:
            failure = self._failure(answer)
            result = EmbeddingResult(
                model=request.model, status=answer.status, error=failure.message, error_code=failure.code
            )
        if not result.ok:
            failed.append(True)
        error = None if result.error is None else self._endpoint.redact(result.error)
        return replace(result, error=error, request_id=headers.get("x-request-id"), attempts=answer.attempts)
