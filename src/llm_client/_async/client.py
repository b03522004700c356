"""The client of version 1: questions go in, dicts come out. It asks through OpenAIProvider."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NoReturn

from .._core.log import logger
from .._core.profiles import ModelProfile
from .._core.results import CompletionResult, EmbeddingResult
from .._core.v1 import Call, completion_call, completion_dict, embedding_call, embedding_dict
from .client_stream import as_sse, to_pusher
from .providers.openai import OpenAIProvider
from .pusher import PusherStreamer

_log = logger("client")
_MODES = ("pusher", "sse")


class OpenAIClient:
    """The client of version 1, for code that was written for it; new code is better off with OpenAIProvider.

    Args:
        model: A model's name or a ModelProfile.
        cache_dir: The folder of the cache "fs", and of "qdrant" without a server.
        responses_api_toggle: Speak the Responses API instead of Chat Completions.
        cache_backend: Where answers of calls with `cache_response=True` are kept: "fs", "pg_redis", "qdrant", a cache
            object, or None for nowhere.
        cache_collection: Which part of the cache; a call may name another.
        pg_dsn: PostgreSQL's connection string. Default: PG_DSN.
        redis_url: Redis's or Valkey's address. Default: REDIS_URL.
        qdrant_url: Qdrant's address. Default: QDRANT_URL, else Qdrant's own engine in a folder below cache_dir.
        qdrant_api_key: Qdrant's key. Default: QDRANT_API_KEY.
        redis_ttl_seconds: How long Redis keeps an answer.
        compress_pg: Compress what goes into PostgreSQL.
        **provider: Anything else that OpenAIProvider takes, such as api_key, base_url, client or limiter.

    Raises:
        ConfigurationError: There is no key, or no address of a cache's server.
        TypeError: An argument has the wrong type.
        ValueError: The model does not answer on the chosen API of OpenAI's.
    """

    def __init__(
        self,
        model: str | type[ModelProfile],
        *,
        cache_dir: str | os.PathLike[str] | None = None,
        responses_api_toggle: bool = False,
        cache_backend: Any = None,
        cache_collection: str | None = None,
        pg_dsn: str | None = None,
        redis_url: str | None = None,
        qdrant_url: str | None = None,
        qdrant_api_key: str | None = None,
        redis_ttl_seconds: float = 86400,
        compress_pg: bool = True,
        **provider: Any,
    ) -> None:
        self.responses_api_toggle = responses_api_toggle
        self.provider = OpenAIProvider(
            model,
            cache_backend=cache_backend,
            cache_dir="./cache" if cache_dir is None else cache_dir,
            cache_collection=cache_collection,
            pg_dsn=pg_dsn,
            redis_url=redis_url,
            redis_ttl_seconds=redis_ttl_seconds,
            compress_pg=compress_pg,
            qdrant_url=qdrant_url,
            qdrant_api_key=qdrant_api_key,
            use_responses_api=responses_api_toggle,
            **provider,
        )
        self.model = self.provider.profile
        self._redact = self.provider._endpoint.redact

    @property
    def cache(self) -> Any:
        """The cache object, None where there is none."""
        return self.provider.cache

    async def get_response(
        self,
        identifier: str | None = None,
        attempts: int | None = None,
        backoff: float | None = None,
        body: Mapping[str, Any] | None = None,
        cache_response: bool = False,
        return_response: bool = False,
        rewrite_cache: bool = False,
        regen_cache: bool = False,
        log_errors: bool = True,
        timeout: float | None = None,
        hash_as_identifier: bool = True,
        cache_collection: str | None = None,
        *,
        stream: bool = False,
        stream_mode: str = "pusher",
        channel: str | PusherStreamer | None = None,
        **params: Any,
    ) -> Any:
        """Ask the model, or turn texts into vectors where it is an embedding model.

        Args:
            identifier: A name of the caller's for the call. The cache does not go by it: it goes by the question.
            attempts: Tries in all; the client's own (3) unless given.
            backoff: Longest wait in seconds before the second try; the client's own (1.0) unless given.
            body: A dict to find in the result again, with the output as its "completion".
            cache_response: Take the answer from the cache; store it where it had to be asked.
            return_response: Add the CompletionResult or EmbeddingResult as "response"; its `raw` is the API's JSON.
            rewrite_cache: With cache_response: ask anew, and overwrite the stored answer.
            regen_cache: With cache_response: ask anew, and leave the stored answer as it is.
            log_errors: Log a call that failed as a warning.
            timeout: Longest silence in seconds.
            hash_as_identifier: Without an identifier: a hash of the question, equal for equal questions; False makes
                one of chance.
            cache_collection: Which part of the cache; the client's own unless given.
            stream: Take the answer in pieces.
            stream_mode: Where they go: "sse" returns an iterator over the text of Server-Sent Events, "pusher" sends
                them to a Pusher channel and returns the dict.
            channel: The Pusher channel, or a PusherStreamer; a channel of chance unless given.
            **params: The question as messages (with responses_api_toggle also as input, of an embedding model as
                input): text, or a list of messages; and what goes with it: tools, tool_choice, response_format, and
                every other member of the API's JSON.

        Returns:
            A dict: `output` is the text, parsed JSON where response_format asks for it, one vector for one input and a
            list of them for many, None after a failure; `error` is "OK" or says what went wrong; `usage`, `status`,
            `identifier`, `params` and `body` complete it; `tool_calls` are those of a model, in the API's form, or
            None.

        Raises:
            ResponseTimeoutError: No answer came within `timeout`.
            TypeError: An argument has the wrong type.
            ValueError: There is no question, or an argument is out of range.
        """
        exchange: dict[str, Any] = {
            "attempts": attempts, "backoff": backoff, "timeout": timeout, "cache_response": cache_response,
            "rewrite_cache": rewrite_cache, "regen_cache": regen_cache, "cache_collection": cache_collection,
        }  # fmt: skip
        if identifier is not None and not isinstance(identifier, str):
            raise TypeError(
                f"identifier is a name for the call, got {type(identifier).__name__}: pass the question by its name, "
                "messages=... or input=..."
            )
        redact = self._redact
        embeds = self.model.category == "embeddings"
        if embeds:
            call = embedding_call(self.provider.model, params, redact=redact)
        else:
            responses = self.responses_api_toggle
            call = completion_call(self.provider.model, params, responses=responses, redact=redact)
        name = identifier or (call.digest if hash_as_identifier else uuid.uuid4().hex)
        if stream:
            if embeds or stream_mode not in _MODES:
                raise ValueError(f"stream_mode is one of {_MODES}, and embeddings have none; got {stream_mode!r}")
            events = self.provider.stream(call.question, **call.arguments, **exchange)
            if stream_mode == "sse":
                return as_sse(events, self.provider.model)
            result: Any = await to_pusher(events, channel or str(uuid.uuid4()))
        elif embeds:
            result = await self.provider.embed(call.question, **call.arguments, **exchange)
        else:
            result = await self.provider.complete(call.question, **call.arguments, **exchange)
        if not result.ok:
            self._failed(result, name, timeout=timeout, log=log_errors)
        answer = self._dict(call, result, name, body)
        if return_response:
            answer["response"] = result
        return answer

    def _dict(
        self, call: Call, result: CompletionResult | EmbeddingResult, name: str, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        if isinstance(result, EmbeddingResult):
            return embedding_dict(call, result, name, body, self._redact)
        return completion_dict(call, result, name, body, self._redact)

    def _failed(
        self, result: CompletionResult | EmbeddingResult, name: str, *, timeout: float | None, log: bool
    ) -> None:
        if log:
            _log.warning("get_response %s failed with status %d: %s", name, result.status, result.error)
        if timeout is not None and result.error_code == "timeout":
            result.raise_for_error()

    async def warm_cache(self) -> int:
        """Have the cache bring stored answers to where they are found fastest; returns how many."""
        return await self.provider.warm_cache()

    async def close(self) -> None:
        """Close the connections; a closed client that is used opens new ones."""
        await self.provider.close()

    async def __aenter__(self) -> OpenAIClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"OpenAIClient({self.provider!r})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("OpenAIClient cannot be pickled or copied: it holds connections. Make one where it is used.")
