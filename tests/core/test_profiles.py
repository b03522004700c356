"""Profiles: found by any name, never instantiated, the same after pickling."""

from __future__ import annotations

import copy
import datetime
import pickle
import subprocess
import sys
from collections.abc import Iterator

import pytest

from llm_client._core import pricing, profiles
from llm_client._core.capabilities import UNKNOWN, Capabilities
from llm_client._core.profiles import ModelProfile, UnknownModelError
from llm_client._core.profiles_openai import (
    GPT5,
    GPT5Mini,
    GPT5Nano,
    GPT5Point1,
    GPT5Point2,
    TextEmbedding3Large,
    TextEmbedding3Small,
)

SEVEN = {
    "gpt-5": GPT5,
    "gpt-5-mini": GPT5Mini,
    "gpt-5-nano": GPT5Nano,
    "gpt-5.1": GPT5Point1,
    "gpt-5.2": GPT5Point2,
    "text-embedding-3-large": TextEmbedding3Large,
    "text-embedding-3-small": TextEmbedding3Small,
}


class Mine(ModelProfile):
    """A user's own, written as a class."""

    key = "mine-1"
    context_window = 5000


class Narrow(GPT5):
    """A user's variant of a known model."""

    max_output_tokens = 10


@pytest.fixture
def registry() -> Iterator[None]:
    """Whatever a test registers is forgotten after it."""
    before = dict(profiles._registered)
    yield
    profiles._registered.clear()
    profiles._registered.update(before)
    profiles._resolved.clear()


@pytest.mark.parametrize(("key", "profile"), SEVEN.items())
def test_the_seven_are_found_by_their_keys(key: str, profile: type[ModelProfile]) -> None:
    assert ModelProfile.get(key) is profile
    assert ModelProfile.resolve(key) is profile
    assert ModelProfile.resolve(profile) is profile
    assert profile.key == profile.model_name == key
    assert profile.vendor == "openai"


@pytest.mark.parametrize("profile", [GPT5, GPT5Mini, GPT5Nano, GPT5Point1, GPT5Point2])
def test_reasoning_models_show_what_the_specification_pins(profile: type[ModelProfile]) -> None:
    assert profile.category == "completions"
    assert profile.context_window == 128_000
    assert profile.reasoning_model is True
    assert profile.reasoning_efforts == ["low", "medium", "high"]
    assert profile.output_dimensions is None


@pytest.mark.parametrize(("profile", "dimensions"), [(TextEmbedding3Large, 3072), (TextEmbedding3Small, 1536)])
def test_embedding_models(profile: type[ModelProfile], dimensions: int) -> None:
    assert profile.category == "embeddings"
    assert profile.context_window == 8192
    assert profile.max_input_tokens == 8191
    assert profile.output_dimensions == dimensions
    assert profile.reasoning_model is False
    assert profile.reasoning_efforts == []
    assert profile.accepted_efforts == ()


def test_beside_what_is_pinned_stands_what_is_true() -> None:
    assert (GPT5.max_input_tokens, GPT5.max_output_tokens) == (272_000, 128_000)
    assert GPT5.accepted_efforts == ("minimal", "low", "medium", "high")
    assert GPT5Point2.accepted_efforts == ("none", "low", "medium", "high", "xhigh")
    assert GPT5.retires_on == datetime.date(2026, 12, 11)
    assert GPT5Point2.retires_on is None


def test_a_profile_is_never_instantiated() -> None:
    with pytest.raises(TypeError, match="pass GPT5, not an instance"):
        GPT5()
    with pytest.raises(TypeError, match="used as it is"):
        ModelProfile()


@pytest.mark.parametrize(
    "key", ["gpt-4o", "claude-opus-5", "claude-sonnet-4-0", "gpt-6.1-sol", "text-embedding-ada-002"]
)
def test_other_models_of_the_table_are_found_too(key: str) -> None:
    found = ModelProfile.get(key)
    assert found is ModelProfile.get(key)
    assert found is ModelProfile.resolve(key)
    assert issubclass(found, ModelProfile)
    assert found.key == found.model_name == key
    assert found.prices is not None
    assert found.max_input_tokens


def test_every_model_of_the_table_has_whole_figures() -> None:
    for name in pricing.table_names():
        entry = pricing.entry(name)
        assert entry is not None
        profile = ModelProfile.get(name)
        assert profile.vendor == entry.vendor
        assert profile.category in ("completions", "embeddings")
        assert entry.sources, name
        assert entry.date >= datetime.date(2026, 11, 22), name
        if profile.max_output_tokens is not None and profile.context_window is not None:
            assert profile.max_output_tokens <= profile.context_window, name
        assert profile.capabilities is not UNKNOWN, name
        assert entry.prices is not None, name
        assert entry.prices.tiers["default"].input > 0, name


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("claude-sonnet-4", "claude-sonnet-4-0"),
        ("gpt-4-turbo-preview", "gpt-4-turbo"),
    ],
)
def test_dated_names_and_aliases_are_the_model_and_are_sent_as_given(name: str, key: str) -> None:
    found = ModelProfile.get(name)
    base = ModelProfile.get(key)
    assert found.key == key
    assert found.model_name == name
    assert issubclass(found, base)
    assert found.prices == base.prices
    assert found.max_input_tokens == base.max_input_tokens


def test_a_dated_name_with_figures_of_its_own_keeps_them() -> None:
    assert ModelProfile.get("gpt-4o-2024-05-13").prices != ModelProfile.get("gpt-4o").prices


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("openai/gpt-5", "gpt-5"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("claude-opus-4-1@20250805", "claude-opus-4-1"),
        ("ft:gpt-4o-mini-2024-07-18:my-org::abc123", "gpt-4o-mini"),
    ],
)
def test_names_of_routers_clouds_and_fine_tunes_have_limits_but_no_price(name: str, key: str) -> None:
    found, base = ModelProfile.resolve(name), ModelProfile.get(key)
    assert found.model_name == name
    assert found.key == key
    assert found.max_input_tokens == base.max_input_tokens
    assert found.capabilities == base.capabilities
    assert found.prices is None
    assert found.parse_usage({"prompt_tokens": 10, "completion_tokens": 5}).total_cost is None


@pytest.mark.parametrize("name", ["gpt-5.9-foo", "claude-sonnet-7-20280301", "llama3:8b", "gpt-6.2-astra", "x" * 300])
def test_unknown_names_work_with_a_generic_profile(name: str) -> None:
    found = ModelProfile.resolve(name)
    assert found.model_name == name
    assert found.prices is None
    assert found.context_window is found.max_input_tokens is found.max_output_tokens is None
    assert found.retires_on is None
    assert found.count_tokens("Hello") > 0
    assert found.retirement_warning(datetime.date(2030, 1, 1)) is None


def test_a_generic_profile_has_its_familys_capabilities() -> None:
    assert ModelProfile.resolve("gpt-5.9-foo").reasoning_model is True
    assert ModelProfile.resolve("gpt-5.9-foo").capabilities.sampling is False
    assert ModelProfile.resolve("llama3:8b").capabilities is UNKNOWN
    assert ModelProfile.resolve("llama3:8b").vendor == "unknown"
    assert ModelProfile.resolve("text-embedding-9").category == "embeddings"


@pytest.mark.parametrize(
    ("wrong", "suggested"),
    [
        ("gpt5", "'gpt-5'"),
        ("GPT-5-mni", "'gpt-5-mini'"),
        ("claude-opus-55", "'claude-opus-5-5'"),
        ("gpt-5.9-foo", "gpt"),
    ],
)
def test_get_suggests_near_names(wrong: str, suggested: str) -> None:
    with pytest.raises(UnknownModelError, match="did you mean") as caught:
        ModelProfile.get(wrong)
    assert suggested in str(caught.value)
    assert "ModelProfile.register" in str(caught.value)


def test_get_of_nonsense_is_a_value_error_and_a_key_error_in_plain_words() -> None:
    with pytest.raises(ValueError, match="unknown model 'zzz'") as caught:
        ModelProfile.get("zzz")
    assert isinstance(caught.value, KeyError)
    assert str(caught.value).startswith("unknown model 'zzz'")


@pytest.mark.parametrize("wrong", [None, 5, object(), int, ["gpt-5"], ModelProfile])
def test_resolve_takes_names_and_profiles_only(wrong: object) -> None:
    with pytest.raises(TypeError, match="a model is a name"):
        ModelProfile.resolve(wrong)  # type: ignore[arg-type]


def test_get_takes_names_only() -> None:
    with pytest.raises(TypeError, match="named by a string"):
        ModelProfile.get(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("empty", ["", "   "])
def test_an_empty_name_is_refused(empty: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        ModelProfile.resolve(empty)
    with pytest.raises(ValueError, match="unknown model"):
        ModelProfile.get(empty)


def test_attributes_that_do_not_exist_are_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="GPT5 has no attribute 'colour'"):
        GPT5.colour  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'context_window'"):
        ModelProfile.context_window  # noqa: B018


def test_a_subclass_is_its_parent_but_for_what_it_writes_down() -> None:
    assert ModelProfile.resolve(Narrow) is Narrow
    assert Narrow.key == "gpt-5"
    assert Narrow.max_output_tokens == 10
    assert Narrow.prices == GPT5.prices
    assert Narrow.reasoning_efforts == GPT5.reasoning_efforts
    assert GPT5.max_output_tokens == 128_000


def test_a_class_of_ones_own_works_unregistered() -> None:
    assert ModelProfile.resolve(Mine) is Mine
    assert (Mine.model_name, Mine.context_window, Mine.prices) == ("mine-1", 5000, None)
    assert Mine.category == "completions"


@pytest.mark.usefixtures("registry")
def test_registering_by_name() -> None:
    made = ModelProfile.register(
        "my-llama",
        context_window=32_000,
        max_output_tokens=4000,
        prices={"input": 0.5, "output": 2},
        aliases=["llama-of-mine"],
    )
    assert ModelProfile.get("my-llama") is made
    assert ModelProfile.get("MY-LLAMA") is made
    assert ModelProfile.get("llama-of-mine") is made
    assert (made.context_window, made.max_input_tokens, made.max_output_tokens) == (32_000, 32_000, 4000)
    usage = made.parse_usage({"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000})
    assert (usage.input_cost, usage.output_cost, usage.total_cost) == (0.5, 2.0, 2.5)
    assert made.capabilities is UNKNOWN


@pytest.mark.usefixtures("registry")
def test_registering_replaces_what_was_resolved_before() -> None:
    before = ModelProfile.resolve("private-model")
    assert before.prices is None
    after = ModelProfile.register("private-model", prices={"input": 1}, capabilities=Capabilities(sampling=False))
    assert ModelProfile.resolve("private-model") is after
    assert not after.capabilities.sampling


@pytest.mark.usefixtures("registry")
def test_registering_a_class() -> None:
    assert ModelProfile.register(Mine) is Mine
    assert ModelProfile.get("mine-1") is Mine


@pytest.mark.parametrize("wrong", [5, ModelProfile, int, None])
def test_registering_something_else_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError, match="register a name or a subclass"):
        ModelProfile.register(wrong)  # type: ignore[arg-type]


def test_registering_with_a_wrong_price_list_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="needs 'input'"):
        ModelProfile.register("priced", prices={"output": 3})
    with pytest.raises(ValueError, match="cached_tokens"):
        ModelProfile.register("priced", prices={"input": 1, "cached_tokens": 3})
    with pytest.raises(ValueError, match="'default' tier"):
        ModelProfile.register("priced", prices={"tiers": {"batch": {"input": 3}}})
    with pytest.raises(ValueError, match="needs a key"):
        ModelProfile.register(" ")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "profile",
    [
        GPT5,
        ModelProfile,
        Mine,
        Narrow,
        "claude-opus-5",
        "gpt-5-2025-08-07",
        "openai/gpt-5",
        "llama3:8b",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ],
    ids=str,
)
def test_profiles_are_the_same_after_pickling(profile: str | type[ModelProfile], protocol: int) -> None:
    found = ModelProfile.resolve(profile) if isinstance(profile, str) else profile
    assert pickle.loads(pickle.dumps(found, protocol)) is found
    assert copy.deepcopy(found) is found
    assert copy.copy(found) is found


@pytest.mark.usefixtures("registry")
def test_a_registered_profile_travels_with_its_figures() -> None:
    ModelProfile.register("travelling", context_window=777, prices={"input": 3, "output": 4})
    data = pickle.dumps(ModelProfile.get("travelling"))
    profiles._registered.pop("travelling")
    profiles._resolved.clear()
    arrived = pickle.loads(data)
    assert arrived.key == arrived.model_name == "travelling"
    assert arrived.context_window == 777
    assert arrived.parse_usage({"prompt_tokens": 1_000_000}).input_cost == 3


def test_pickles_of_other_processes_are_understood() -> None:
    code = (
        "import pickle, sys; from llm_client._core.profiles import ModelProfile as M; "
        "sys.stdout.buffer.write(pickle.dumps([M.get('gpt-5'), M.resolve('gpt-5-2025-08-07'), M.resolve('llama3:8b')]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    arrived = pickle.loads(answer.stdout)
    assert arrived == [GPT5, ModelProfile.resolve("gpt-5-2025-08-07"), ModelProfile.resolve("llama3:8b")]


def test_the_table_is_read_at_first_use_and_once() -> None:
    code = (
        "from llm_client._core import pricing, profiles; import sys; "
        "assert pricing._document.cache_info().currsize == 0; "
        "from llm_client._core.profiles_openai import GPT5; "
        "GPT5.context_window, GPT5.model_name; assert pricing._document.cache_info().currsize == 0; "
        "GPT5.max_input_tokens; profiles.ModelProfile.resolve('gpt-4o').prices; "
        "assert pricing._document.cache_info().misses == 1; "
        "assert not {'pydantic', 'tiktoken'} & set(sys.modules), 'imports too much'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_names_of_a_careless_caller_do_not_fill_the_memory() -> None:
    for number in range(profiles._CACHE_SIZE * 2 + 10):
        ModelProfile.resolve(f"made-up-{number}")
    assert len(profiles._resolved) <= profiles._CACHE_SIZE
    assert len(profiles._made) <= len(pricing.table_names())


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (datetime.date(2026, 10, 11), None),
        (datetime.date(2026, 10, 12), "will be retired on 2026-12-11"),
        (datetime.date(2026, 12, 11), "will be retired on 2026-12-11"),
        (datetime.date(2026, 12, 12), "was retired on 2026-12-11"),
    ],
)
def test_retirement_is_told_sixty_days_ahead(today: datetime.date, expected: str | None) -> None:
    warning = GPT5.retirement_warning(today)
    assert warning is None if expected is None else expected in str(warning)


def test_the_warning_names_the_model_as_it_was_given() -> None:
    warning = ModelProfile.get("gpt-5-2025-08-07").retirement_warning(datetime.date(2027, 1, 1))
    assert "'gpt-5-2025-08-07'" in str(warning)


def test_profiles_show_their_name() -> None:
    assert repr(GPT5) == "<ModelProfile gpt-5>"
    assert repr(ModelProfile.resolve("llama3:8b")) == "<ModelProfile llama3:8b>"
    assert repr(ModelProfile) == "<class 'ModelProfile'>"
