"""Models and what is known of them: limits, prices, capabilities, token counts.

A profile is a class and is never instantiated: `GPT5.context_window`, `OpenAIProvider(model=GPT5)`. The seven that the
specification names are written down in `profiles_openai`; all others are made from the data file when somebody asks.
"""

from __future__ import annotations

import copyreg
import datetime
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, NoReturn

from . import pricing, tokens
from .capabilities import Capabilities, Vendor, capabilities_of, plain_name, vendor_of
from .exceptions import ConfigurationError
from .messages import MessageInput
from .pricing import Prices
from .tokenizer import Tokenizer, tokenizer_for
from .usage import Usage

WARN_DAYS_BEFORE_RETIREMENT = 60

_DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
_CACHE_SIZE = 1024


class UnknownModelError(ConfigurationError, KeyError):
    """No profile has this name."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class _ProfileType(type):
    """Makes profiles usable as values: attributes from the data file at first use, no instances."""

    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{cls.__name__} is a model profile and used as it is: pass {cls.__name__}, not an instance")

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        if "key" in namespace and "model_name" not in namespace:
            cls.model_name = namespace["key"]

    def __getattr__(cls, name: str) -> Any:
        if name not in _LAZY or not hasattr(cls, "key"):
            raise AttributeError(f"{cls.__name__} has no attribute {name!r}")
        # A subclass of a profile is the same model but for what it writes down; that must not depend on whether
        # its parent has been looked at before.
        parent = cls.__base__
        if parent is not None and hasattr(parent, "key"):
            return getattr(parent, name)
        for attribute, value in _known_of(cls.key).items():
            if attribute not in cls.__dict__:
                setattr(cls, attribute, value)
        return cls.__dict__[name]

    def __repr__(cls) -> str:
        return f"<ModelProfile {cls.model_name}>" if hasattr(cls, "key") else f"<class {cls.__name__!r}>"

    @property
    def tokenizer(cls) -> Tokenizer:
        """Counts tokens of text; `exact` says whether it is the model's own vocabulary or an estimate."""
        profile: Any = cls
        return tokenizer_for(profile.model_name, profile.vendor)


class ModelProfile(metaclass=_ProfileType):
    """What is known of one model; used as a class, never instantiated.

    Attributes:
        key: The model's name in the table.
        model_name: What is sent to the API.
        category: "completions" or "embeddings".
        vendor: "openai", "anthropic" or "unknown".
        context_window: Tokens; shown to people. For the specification's models it is what the specification says.
        reasoning_model: The model reasons before it answers.
        reasoning_efforts: Shown to people, as context_window.
        max_input_tokens: Tokens that may be sent, None where nobody says. This decides, not context_window.
        max_output_tokens: Tokens that may come back, None where nobody says.
        accepted_efforts: The values of reasoning_effort that the API takes; empty where none or unknown.
        output_dimensions: Of an embedding model.
        retires_on: The vendor's announced last day.
        capabilities: What the API takes and refuses.
        prices: None where there is no published price.
    """

    key: ClassVar[str]
    model_name: ClassVar[str]
    category: ClassVar[Literal["completions", "embeddings"]]
    vendor: ClassVar[Vendor]
    context_window: ClassVar[int | None]
    reasoning_model: ClassVar[bool]
    reasoning_efforts: ClassVar[list[str]]
    max_input_tokens: ClassVar[int | None]
    max_output_tokens: ClassVar[int | None]
    accepted_efforts: ClassVar[tuple[str, ...]]
    output_dimensions: ClassVar[int | None]
    retires_on: ClassVar[datetime.date | None]
    capabilities: ClassVar[Capabilities]
    prices: ClassVar[Prices | None]

    @classmethod
    def get(cls, key: str) -> type[ModelProfile]:
        """The profile of a known model.

        Args:
            key: A model's name, also dated ("gpt-5-2025-08-07"), an alias, or as routers write it ("openai/gpt-5").

        Raises:
            UnknownModelError: A ValueError and a KeyError; suggests names that are near.
            TypeError: The key is no string.
        """
        if isinstance(key, _ProfileType):
            return cls.resolve(key)
        if not isinstance(key, str):
            raise TypeError(f"a model is named by a string, got {type(key).__name__}")
        found = _find(key.strip())
        if found is None:
            raise UnknownModelError(_unknown(key))
        return found

    @classmethod
    def resolve(cls, model: str | type[ModelProfile]) -> type[ModelProfile]:
        """The profile of any model; of an unknown one a generic profile without price and limits.

        Args:
            model: A name or a profile.

        Raises:
            TypeError: Something else was passed.
            ValueError: The name is empty.
        """
        if isinstance(model, str):
            name = model.strip()
            if not name:
                raise ValueError('the model\'s name is empty; pass one such as "gpt-5.2"')
            found = _resolved.get(name)
            if found is None:
                found = _find(name) or _generic(name)
                if len(_resolved) >= _CACHE_SIZE:
                    _resolved.clear()
                _resolved[name] = found
            return found
        if isinstance(model, type) and issubclass(model, ModelProfile) and hasattr(model, "key"):
            return model
        raise TypeError(
            f'a model is a name such as "gpt-5.2" or a ModelProfile class such as GPT5Point2, got {_kind(model)}'
        )

    @classmethod
    def register(
        cls,
        profile: str | type[ModelProfile],
        *,
        model_name: str | None = None,
        category: Literal["completions", "embeddings"] = "completions",
        vendor: Vendor | None = None,
        context_window: int | None = None,
        max_input_tokens: int | None = None,
        max_output_tokens: int | None = None,
        reasoning_model: bool | None = None,
        accepted_efforts: Iterable[str] | None = None,
        output_dimensions: int | None = None,
        retires_on: datetime.date | None = None,
        capabilities: Capabilities | None = None,
        prices: Prices | Mapping[str, Any] | None = None,
        aliases: Iterable[str] = (),
    ) -> type[ModelProfile]:
        """Make a model of your own known under its name; a name that is already known is replaced.

        Args:
            profile: The model's key, or a subclass of ModelProfile that has a `key`; with a subclass only `aliases`
                is looked at.
            model_name: What is sent to the API; the key if None.
            category: "completions" or "embeddings".
            vendor: Whose dialect's rules apply; guessed from the name if None.
            context_window: Tokens.
            max_input_tokens: Tokens; context_window if None.
            max_output_tokens: Tokens.
            reasoning_model: Guessed from the name if None.
            accepted_efforts: Values of reasoning_effort; guessed from the name if None.
            output_dimensions: Of an embedding model.
            retires_on: Its last day.
            capabilities: What it takes; guessed from the name if None.
            prices: In dollars per million tokens: {"input": 1.25, "output": 10}, or the form of the data file.
            aliases: Further names.

        Raises:
            TypeError: The profile is neither a name nor a subclass with a key.
            ValueError: The name is empty, or a price list has an unknown name.
        """
        if isinstance(profile, str):
            key = profile.strip()
            if not key:
                raise ValueError("a profile needs a key")
            found = capabilities or capabilities_of(key)
            efforts = tuple(found.efforts or ()) if accepted_efforts is None else tuple(accepted_efforts)
            made = _make(
                key,
                model_name=model_name or key,
                category=category,
                vendor=vendor or vendor_of(key),
                context_window=context_window,
                max_input_tokens=context_window if max_input_tokens is None else max_input_tokens,
                max_output_tokens=max_output_tokens,
                reasoning_model=found.reasoning if reasoning_model is None else reasoning_model,
                reasoning_efforts=list(efforts),
                accepted_efforts=efforts,
                output_dimensions=output_dimensions,
                retires_on=retires_on,
                capabilities=found,
                prices=pricing.prices_from_dict(prices) if isinstance(prices, Mapping) else prices,
            )
        elif isinstance(profile, type) and issubclass(profile, ModelProfile) and hasattr(profile, "key"):
            made = profile
        else:
            raise TypeError(f"register a name or a subclass of ModelProfile that has a key, got {_kind(profile)}")
        for name in (made.key, *aliases):
            _registered[name.lower()] = made
        _resolved.clear()
        return made

    @classmethod
    def count_tokens(cls, content: MessageInput, tools: Iterable[Any] | None = None) -> int:
        """How many tokens this is as the model's input.

        Args:
            content: Text, counted as bare text; or messages, counted with what the vendor adds around them.
            tools: Tools or their schemas that are sent along.
        """
        return tokens.count(content, cls.tokenizer, vendor=cls.vendor, model=cls.model_name, tools=tools)

    @classmethod
    def parse_usage(cls, payload: Any, *, service_tier: str | None = None) -> Usage:
        """The usage that an API returned, with its price.

        Args:
            payload: A dict or an SDK's object; of Chat Completions, Responses, embeddings or Anthropic Messages.
            service_tier: The tier that served the call, where the payload does not say, such as "batch" or "flex".

        Raises:
            TypeError: The payload is no usage.
        """
        return pricing.parse_usage(payload, cls.prices, service_tier)

    @classmethod
    def retirement_warning(cls, today: datetime.date) -> str | None:
        """What to tell a user whose model is gone or soon will be, else None."""
        retires = cls.retires_on
        if retires is None or (retires - today).days > WARN_DAYS_BEFORE_RETIREMENT:
            return None
        when = f"was retired on {retires}" if retires < today else f"will be retired on {retires}"
        return f"the model {cls.model_name!r} {when} by its vendor; move to one that lives on"


def profile_of(provider: Any) -> type[ModelProfile] | None:
    """The profile of the model that a provider asks; None where it does not say."""
    profile = getattr(provider, "profile", None)
    return profile if isinstance(profile, type) and issubclass(profile, ModelProfile) else None


_LAZY = frozenset(name for name in ModelProfile.__annotations__ if name != "key")
# The seven of profiles_openai and whatever users register, by lower-case name.
_registered: dict[str, type[ModelProfile]] = {}
_resolved: dict[str, type[ModelProfile]] = {}
_made: dict[str, type[ModelProfile]] = {}


def _known_of(key: str) -> dict[str, Any]:
    """All attributes of a profile, by what the data file and its name say."""
    entry = pricing.entry(key)
    capabilities = capabilities_of(key)
    efforts = capabilities.efforts or ()
    embedding = entry.category == "embeddings" if entry else plain_name(key).startswith("text-embedding-")
    return {
        "model_name": key,
        "category": "embeddings" if embedding else "completions",
        "vendor": entry.vendor if entry else vendor_of(key),
        "context_window": entry.context_window if entry else None,
        "reasoning_model": capabilities.reasoning,
        "reasoning_efforts": list(efforts),
        "max_input_tokens": entry.max_input_tokens if entry else None,
        "max_output_tokens": entry.max_output_tokens if entry else None,
        "accepted_efforts": efforts,
        "output_dimensions": entry.output_dimensions if entry else None,
        "retires_on": entry.retires_on if entry else None,
        "capabilities": capabilities,
        "prices": entry.prices if entry else None,
    }


def _make(key: str, parent: type[ModelProfile] = ModelProfile, **attributes: Any) -> type[ModelProfile]:
    namespace = {"__module__": __name__, "key": key, **attributes}
    made: Any = _ProfileType(_class_name(attributes.get("model_name", key)), (parent,), namespace)
    profile: type[ModelProfile] = made
    return profile


def _class_name(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^0-9A-Za-z]+", name)) or "Model"


def _of_table(key: str) -> type[ModelProfile] | None:
    """The profile of a name that is registered or stands in the table itself."""
    found = _registered.get(key) or _made.get(key)
    if found is None and pricing.entry(key) is not None:
        found = _made.setdefault(key, _make(key))
    return found


def _find(name: str) -> type[ModelProfile] | None:
    low = name.lower()
    found = _of_table(low)
    if found is not None:
        return found
    alias = pricing.aliases().get(low)
    if alias is not None:
        parent = _of_table(alias)
        return _variant(parent, name) if parent is not None else None
    plain = plain_name(name)
    if low.startswith("ft:"):
        # A fine-tune has its base's limits, but a price of its own, which no table lists.
        base = _find(plain)
        return _variant(base, name, prices=None) if base is not None else None
    if plain != low:
        # A router or a cloud bills by its own list.
        base = _find(plain)
        return _variant(base, name, prices=None) if base is not None else None
    undated = _DATED.sub("", low)
    if undated != low:
        base = _of_table(undated) or _of_table(pricing.aliases().get(undated, ""))
        return _variant(base, name) if base is not None else None
    return None


def _variant(base: type[ModelProfile], name: str, **attributes: Any) -> type[ModelProfile]:
    """The same model under another name, which is what the API is sent."""
    known = {attribute: getattr(base, attribute) for attribute in _LAZY}
    return _make(base.key, base, **{**known, "model_name": name, **attributes})


def _generic(name: str) -> type[ModelProfile]:
    return _make(name, model_name=name)


def _unknown(key: str) -> str:
    names = sorted({*pricing.table_names(), *pricing.aliases(), *_registered})
    import difflib

    near = difflib.get_close_matches(key.lower(), names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(map(repr, near))}? " if near else ""
    return (
        f"unknown model {key!r}; {hint}Providers take unknown names as they are; to give one limits and prices, "
        "use ModelProfile.register"
    )


def _kind(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _restore(name: str, attributes: dict[str, Any] | None) -> type[ModelProfile]:
    if attributes is None:
        return ModelProfile.resolve(name)
    return _made_from_pickle.setdefault(name, _make(name, **attributes))


_made_from_pickle: dict[str, type[ModelProfile]] = {}


def _reduce(profile: _ProfileType) -> str | tuple[Any, ...]:
    """Profiles that a module names pickle by reference, others by the name they were resolved from."""
    if profile.__module__ != __name__ or not hasattr(profile, "key"):
        return profile.__qualname__
    known: Any = profile
    if any(known is other for other in _registered.values()):
        # The process that reads it may not have registered it.
        return _restore, (known.key, {name: getattr(known, name) for name in sorted(_LAZY)})
    return _restore, (known.model_name, None)


copyreg.pickle(_ProfileType, _reduce)

# Last, because it needs what stands above: whoever imports profiles finds the specification's seven registered.
from . import profiles_openai as profiles_openai  # noqa: E402
