"""OpenAI, and every server that speaks its dialects."""

from __future__ import annotations

import os
from typing import Any

from ..._core.endpoint import find_endpoint
from ..._core.http import Timeouts
from ..._core.profiles import ModelProfile
from ..._core.retry import RetryPolicy
from ..._core.version import USER_AGENT
from ..._core.wire import openai_chat
from .vendor import VendorProvider

_VENDOR_URL = "https://api.openai.com/v1"


class OpenAIProvider(VendorProvider):
    """OpenAI's models, or any server that speaks Chat Completions.

    Args:
        model: A model's name or a ModelProfile.
        api_key: Default: the environment variable OPENAI_API_KEY; a base_url that is not OpenAI's needs none.
        base_url: Default: OPENAI_BASE_URL, else OpenAI's own; with its `/v1`.
        organization: Default: OPENAI_ORG_ID.
        project: Default: OPENAI_PROJECT_ID.
        timeout: Longest silence in seconds (600 unless given), or a Timeouts.
        attempts: Tries in all for each call; a call may say otherwise.
        backoff: Longest wait in seconds before the second try.
        http_client: An httpx client of this face to send requests with, for mounts, custom TLS and the like.

    Raises:
        ConfigurationError: There is no key.
        TypeError: An argument has the wrong type, or http_client belongs to the other face.
    """

    _name = "openai"

    def __init__(
        self,
        model: str | type[ModelProfile] = "gpt-5.6-luna",
        api_key: str | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        *,
        cache_backend: None = None,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
        attempts: int = 3,
        backoff: float = 1.0,
        http_client: Any = None,
    ) -> None:
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
        if organization:
            headers["openai-organization"] = organization
        project = project or os.environ.get("OPENAI_PROJECT_ID")
        if project:
            headers["openai-project"] = project
        self._dialect = openai_chat
        self._set_up(
            model=model,
            endpoint=endpoint,
            headers=headers,
            timeout=timeout,
            http_client=http_client,
            policy=RetryPolicy(attempts=attempts, backoff=backoff),
        )
