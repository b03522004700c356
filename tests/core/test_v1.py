"""Version 1's arguments and dicts, whatever is passed."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.results import CompletionResult
from llm_client._core.v1 import completion_call, completion_dict, embedding_call

KEY = "sk-the-secret-key"
# fmt: off
TEXTS = st.one_of(st.text(max_size=8), st.just(KEY), st.just(f"before {KEY} after"))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
# fmt: on
NAMES = st.one_of(
    st.sampled_from(["metadata", "stop", "reasoning", "max_completion_tokens", "user", "logit_bias", "extra_headers"]),
    st.text("abcdef_", min_size=1, max_size=8),
)


def redact(text: str) -> str:
    return text.replace(KEY, "[hidden]")


def holds_key(value: Any) -> bool:
    """Whether a text in it, other than the name of a member, holds the key."""
    if isinstance(value, dict):
        return any(map(holds_key, value.values()))
    if isinstance(value, list):
        return any(map(holds_key, value))
    return isinstance(value, str) and KEY in value


@given(st.dictionaries(NAMES, VALUES, max_size=4), TEXTS, st.booleans(), st.dictionaries(TEXTS, VALUES, max_size=3))
def test_params_are_json_without_the_key_and_nothing_given_is_changed(
    params: dict[str, Any], question: str, responses: bool, body: dict[str, Any]
) -> None:
    if not isinstance(params.get("extra_headers"), dict):
        params.pop("extra_headers", None)
    given_params = {**params, "messages": question}
    before = copy.deepcopy((given_params, body))
    call = completion_call("gpt-5", given_params, responses=responses, redact=redact)
    made = completion_dict(call, CompletionResult("an answer"), call.digest, body, redact)
    assert (given_params, body) == before
    json.dumps(made)
    assert not holds_key(made)
    assert call.question == question
    assert call.digest == completion_call("gpt-5", given_params, responses=responses, redact=redact).digest


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.lists(TEXTS, min_size=1, max_size=3))
def test_embeddings_too(params: dict[str, Any], inputs: list[str]) -> None:
    if not isinstance(params.get("extra_headers"), dict):
        params.pop("extra_headers", None)
    call = embedding_call("text-embedding-3-small", {**params, "input": inputs}, redact=redact)
    assert call.question == inputs
    assert not holds_key(call.params)
    json.dumps(call.params)
