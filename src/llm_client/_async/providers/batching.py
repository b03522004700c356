"""A vendor's provider with the vendor's Batch API."""

from __future__ import annotations

from typing import Any

from ..._core.cache_key import Question as CacheQuestion
from ..._core.cache_options import CacheCall, cache_call
from ..._core.results import CompletionResult
from ..._core.structured import OutputForm
from ..._core.vendor_batch import BatchEmbedding, BatchRequest
from ..._core.vendor_batch_asking import (
    check_batch_options,
    completion_question,
    embedding_question,
    unknown_question,
)
from ..._core.vendor_batch_packing import Question
from ..batch_vendor import VendorBatch
from ..batch_vendor_desk import AnthropicDesk, OpenAIDesk
from ..batch_vendor_line import Line
from .vendor import VendorProvider

_DESKS: dict[str, Any] = {"openai": OpenAIDesk, "anthropic": AnthropicDesk}


class BatchingProvider(VendorProvider):
    """A vendor's provider whose requests may also go through the vendor's Batch API; not used by itself."""

    _batch: VendorBatch | None = None

    @property
    def batch(self) -> VendorBatch:
        """The vendor's Batch API: half the price of live calls, and answers within 24 hours."""
        if self._batch is None:
            line = Line(
                self._exchange,
                self._endpoint,
                self._headers,
                self._timeouts,
                self._policy,
                self._failure,
                self._by_client,
            )
            self._batch = VendorBatch(
                _DESKS[self._name](line),
                self,
                vendor=self._name,
                model=self.model,
                base_url=self._endpoint.shown_url,
                embeddings=self.profile.category == "embeddings",
            )
        return self._batch

    def batch_question(self, asked: BatchRequest | BatchEmbedding | None, kind: str) -> Question:
        """A request as it goes into a batch. For this library's own use.

        Args:
            asked: The arguments; None for what reads an answer whose request is not at hand.
            kind: For None: "completion" or "embedding".

        Raises:
            NotImplementedError: The vendor has no embeddings.
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range, or has no meaning in a batch.
        """
        redact = self._endpoint.redact
        if asked is None:
            return unknown_question(
                kind,
                model=self.model,
                profile=self.profile,
                dialect=self._dialect,
                provider=self._name,
                redact=redact,
            )
        if isinstance(asked, BatchEmbedding):
            if self._name != "openai":
                raise NotImplementedError("Anthropic has no embeddings; use OpenAIProvider and BatchEmbedding with it")
            return embedding_question(asked, model=self.model, profile=self.profile, redact=redact)
        check_batch_options(asked.options)
        request, form = self._request(asked.messages, asked.tools, asked.tool_choice, asked.options, stream=False)
        request, body = self._body(request)
        return completion_question(
            request,
            body,
            form,
            dialect=self._dialect,
            provider=self._name,
            headers=self._headers_for(request),
            redact=redact,
        )

    async def batch_stored(self, asked: BatchRequest | BatchEmbedding) -> CompletionResult | None:
        """The answer in the provider's cache, where the request asks for it. For this library's own use."""
        place = self._place_in_cache(asked)
        return None if place is None else await self._cache.look(*place)

    async def batch_keep(self, asked: BatchRequest | BatchEmbedding, result: Any) -> None:
        """Store an answer in the provider's cache, where the request asks for it. For this library's own use."""
        place = self._place_in_cache(asked)
        if place is not None:
            await self._cache.keep(place[0], place[1], result)

    def _place_in_cache(
        self, asked: BatchRequest | BatchEmbedding
    ) -> tuple[CacheCall, CacheQuestion, OutputForm] | None:
        if isinstance(asked, BatchEmbedding):
            return None
        call = cache_call(asked.options, self._cache.collection)
        if call is None:
            return None
        request, form = self._request(asked.messages, asked.tools, asked.tool_choice, asked.options, stream=False)
        request, body = self._body(request)
        return call, self._question(request, body, self._headers_for(request)), form
