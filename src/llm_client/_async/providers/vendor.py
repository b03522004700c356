"""What the vendors' providers have in common: from arguments to a request, from an answer to a result."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from ..._core import jsons
from ..._core.breaker import breaker_for
from ..._core.cache_options import CacheSettings, cache_call
from ..._core.endpoint import Endpoint
from ..._core.events import StreamEvent, StreamEventType
from ..._core.http import DEFAULT_TIMEOUTS, HttpRequest, Timeouts, TransportError
from ..._core.log import logger, warn_once
from ..._core.messages import MessageInput
from ..._core.options import CallOptions, check_option_names, check_retries, completion_request, read_timeouts
from ..._core.profiles import ModelProfile
from ..._core.results import Attempt, CompletionResult, signed
from ..._core.retry import RetryPolicy, budget_for
from ..._core.structured import OutputForm, read_output
from ..._core.validate import RESPONSES, repair
from ..._core.wire.capability_rules import apply_capabilities
from ..._core.wire.request import CompletionRequest, Failure, StreamParser
from ..._core.wire.responses_input import begun_on_server
from ..._seam import _async as seam
from ..caching import Caching
from ..exchange import Answer, Exchange
from ..rate_limit import Limiter
from ..repairing import complete_in_form, with_output
from ..stream import EventStream
from .cached import CachedProvider

if sys.version_info >= (3, 11):
    from typing import Unpack
else:
    from typing_extensions import Unpack

_log = logger("providers")
_LAST = (StreamEventType.DONE, StreamEventType.ERROR)


class VendorProvider(CachedProvider):
    """A provider that speaks a vendor's dialect over HTTP; not used by itself."""

    _name: str
    _by_client: bool

    def _set_up(
        self,
        *,
        model: str | type[ModelProfile],
        endpoint: Endpoint,
        headers: Mapping[str, str],
        timeout: float | Timeouts | None,
        http_client: Any,
        client: Any,
        policy: RetryPolicy,
        cache: CacheSettings,
        limiter: Any = None,
        on_attempt: Callable[[Attempt], Any] | None = None,
    ) -> None:
        self.profile = ModelProfile.resolve(model)
        self.model = model if isinstance(model, str) else self.profile.model_name
        self._endpoint = endpoint
        self._headers = {"content-type": "application/json", "accept": "application/json", **headers}
        self._by_client = client is not None
        self._timeouts = DEFAULT_TIMEOUTS if timeout is None else read_timeouts(timeout)
        self._policy = policy
        self._cache = Caching(cache, (endpoint.base_url, endpoint.api_key))
        self._transport = seam.open_transport(
            endpoint.base_url, http_client=http_client, client=client, vendor=self._name
        )
        self._exchange = Exchange(
            self._transport,
            budget_for(endpoint.base_url, endpoint.api_key),
            breaker_for(endpoint.base_url),
            Limiter.choose(limiter, endpoint.base_url, endpoint.api_key, self.model),
            on_attempt,
        )
        warning = self.profile.retirement_warning(date.today())
        if warning is not None:
            warn_once(_log, ("retirement", self.profile.key), warning)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r}, base_url={self._endpoint.shown_url!r})"

    async def complete(
        self,
        messages: MessageInput,
        tools: Sequence[Any] | None = None,
        tool_choice: str | None = None,
        **options: Unpack[CallOptions],
    ) -> CompletionResult:
        """Ask the model and wait for the whole answer.

        Args:
            messages: Text, a Message, a dict in OpenAI's chat shape, or a list of these.
            tools: Tools that the model may call: Tool objects or plain functions.
            tool_choice: "auto", "none", "required" (or "any"), or a tool's name.
            **options: See CallOptions: temperature, max_tokens, response_format, attempts, ...

        Returns:
            The answer, or a result with `ok` False, `status` and `error` for everything the API or the network says.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range, or does not go with the model.
        """
        check_option_names("complete", options)
        request, form = self._request(messages, tools, tool_choice, options, stream=False)
        call = cache_call(options, self._cache.collection)
        if call is None:
            return await self._complete(request, form, options)
        asked, body = self._body(request)
        question = self._question(asked, body, {**self._headers_for(asked), **(options.get("extra_headers") or {})})
        return await self._cache.complete(call, question, form, partial(self._complete, request, form, options))

    async def _complete(self, request: CompletionRequest, form: OutputForm, options: CallOptions) -> CompletionResult:
        if form.read is None:
            return await self._ask(request, options)
        retries = check_retries(options.get("output_retries"))
        if options.get("output_retries") is not None:
            form = replace(form, checked=True)
        return await complete_in_form(partial(self._ask, options=options), request, form, retries)

    async def _ask(self, request: CompletionRequest, options: CallOptions) -> CompletionResult:
        policy = self._policy_for(options)
        request, http = self._prepare(request, options)
        return self._result(await self._exchange.send(http, policy), request)

    def stream(
        self,
        messages: MessageInput,
        tools: Sequence[Any] | None = None,
        tool_choice: str | None = None,
        **options: Unpack[CallOptions],
    ) -> EventStream:
        """Ask the model and take the answer in pieces.

        Args:
            messages: As in `complete()`, like all other arguments.
            tools: Tools that the model may call.
            tool_choice: "auto", "none", "required" (or "any"), or a tool's name.
            **options: See CallOptions.

        Returns:
            An iterator over StreamEvent that ends with exactly one DONE, or exactly one ERROR; also usable as a
            context manager, which closes the connection at once when it is left early.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range, or does not go with the model.
        """
        check_option_names("stream", options)
        request, form = self._request(messages, tools, tool_choice, options, stream=True)
        policy = self._policy_for(options)
        call = cache_call(options, self._cache.collection)
        request, body = self._body(request)
        headers = self._headers_for(request)
        http = self._post(self._dialect.PATH, body, options, headers)
        if call is None:
            return EventStream(self._events(request, form, http, policy))
        question = self._question(request, body, {**headers, **(options.get("extra_headers") or {})})
        fetch = partial(self._events, request, form, http, policy)
        return EventStream(self._cache.stream(call, question, form, fetch))

    async def _events(
        self, request: CompletionRequest, form: OutputForm, http: HttpRequest, policy: RetryPolicy
    ) -> AsyncIterator[StreamEvent]:
        answer = await self._exchange.open(http, policy)
        if answer.stream is None:
            failure = self._failure(answer)
            yield _error(answer.status, failure.message)
            return
        parser = self._dialect.StreamParser(request)
        try:
            data = answer.body
            while data:
                events = parser.feed(data)
                if events and events[-1].type in _LAST:
                    await answer.stream.finish()
                    break
                for event in events:
                    yield event
                data = await answer.stream.read()
            else:
                events = parser.close()
        except TransportError as failure:
            events = [_error(failure.status, failure.message)]
        finally:
            await answer.stream.close()
        for event in self._finish(events, parser, form, answer):
            yield event

    async def close(self) -> None:
        """Close the connections of the current loop or process; a closed provider that is used opens new ones."""
        await self._transport.close()
        await self._cache.close()

    def _request(
        self,
        messages: MessageInput,
        tools: Sequence[Any] | None,
        tool_choice: str | None,
        options: CallOptions,
        *,
        stream: bool,
    ) -> tuple[CompletionRequest, OutputForm]:
        return completion_request(
            messages,
            tools,
            tool_choice,
            options,
            model=self.model,
            profile=self.profile,
            stream=stream,
            may_be_empty=self._dialect.NAME == RESPONSES,
        )

    def _headers_for(self, request: CompletionRequest) -> dict[str, str]:
        return {}

    def _policy_for(self, options: CallOptions) -> RetryPolicy:
        attempts, backoff = options.get("attempts"), options.get("backoff")
        if attempts is None and backoff is None:
            return self._policy
        return replace(
            self._policy,
            attempts=self._policy.attempts if attempts is None else attempts,
            backoff=self._policy.backoff if backoff is None else backoff,
        )

    def _prepare(self, request: CompletionRequest, options: CallOptions) -> tuple[CompletionRequest, HttpRequest]:
        request, body = self._body(request)
        return request, self._post(self._dialect.PATH, body, options, self._headers_for(request))

    def _body(self, request: CompletionRequest) -> tuple[CompletionRequest, dict[str, Any]]:
        prefill = request.profile.capabilities.assistant_prefill
        # A list that begins with the assistant is left as the caller wrote it: recorded traffic shows it accepted.
        messages = list(request.messages)
        begun = begun_on_server(messages, request.extra_body) if self._dialect.NAME == RESPONSES else 0
        repaired = repair(messages[begun:], self._dialect.NAME, prefill=prefill, as_given=True)
        for note in repaired.notes:
            _log.info("repaired before sending: %s", note)
        if repaired.notes:  # else they are the given ones, and a copy of the request would cost as much as all the rest
            request = replace(request, messages=messages[:begun] + repaired.messages)
        # After the repair: what a model takes can depend on how its history begins and ends.
        request, notes = apply_capabilities(request, self._dialect.NAME)
        for left_out in notes:
            warn_once(_log, ("parameter", self.model, left_out.parameter), left_out.message)
        return request, self._dialect.build_request(request)

    def _post(
        self, path: str, body: Mapping[str, Any], options: CallOptions, headers: Mapping[str, str]
    ) -> HttpRequest:
        timeout = options.get("timeout")
        given = {name.lower(): value for name, value in (options.get("extra_headers") or {}).items()}
        return HttpRequest(
            "POST",
            self._endpoint.base_url + path,
            {**self._headers, **headers, **given},
            jsons.dumps(body),
            self._timeouts if timeout is None else read_timeouts(timeout),
        )

    def _result(self, answer: Answer, request: CompletionRequest) -> CompletionResult:
        if not 200 <= answer.status < 300:
            failure = self._failure(answer)
            return CompletionResult(
                status=answer.status,
                error=failure.message,
                error_code=failure.code,
                request_id=failure.request_id,
                model=request.model,
                provider=self._name,
                attempts=answer.attempts,
            )
        result = self._dialect.parse_response(answer.body, request)
        answer.settle(result.usage)
        return self._signed(result, answer)

    def _signed(self, result: CompletionResult, answer: Answer) -> CompletionResult:
        headers = answer.headers
        return signed(
            result,
            error=None if result.error is None else self._endpoint.redact(result.error),
            provider=self._name,
            request_id=headers.get("x-request-id") or headers.get("request-id") or result.request_id,
            attempts=answer.attempts,
        )

    def _failure(self, answer: Answer) -> Failure:
        if answer.refused is not None:
            return answer.refused
        if answer.failure is not None:
            message = self._endpoint.redact(answer.failure.message)
            return Failure(message, code="timeout" if answer.failure.kind == "timeout" else "connection")
        if 300 <= answer.status < 400:
            target = self._endpoint.redact(answer.headers.get("location", "somewhere else"))
            return Failure(
                f"the server redirects to {target}, which requests do not follow; set base_url to that address"
            )
        failure = self._dialect.parse_error(answer.status, answer.headers, answer.body)
        return replace(failure, message=self._endpoint.redact(failure.message))

    def _finish(
        self, events: list[StreamEvent], parser: StreamParser, form: OutputForm, answer: Answer
    ) -> list[StreamEvent]:
        """The last events of a stream, completed by what only the exchange knows."""
        last = events[-1]
        if last.type is StreamEventType.DONE:
            answer.settle(last.data.usage)
            result = self._signed(last.data, answer)
            last.data = with_output(result, *read_output(form, result))
            return events
        last.data["error"] = self._endpoint.redact(last.data["error"])
        usage = parser.partial().usage
        if not usage.total_tokens:
            return events
        # What was spent until a stream broke off was spent.
        answer.settle(usage)
        return [*events[:-1], StreamEvent(StreamEventType.USAGE, usage), last]


def _error(status: int, message: str) -> StreamEvent:
    return StreamEvent(StreamEventType.ERROR, {"status": status, "error": message})
