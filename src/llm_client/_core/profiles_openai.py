"""The seven models that the specification names, with the values that it pins for display.

What is true of them (their limits, prices, efforts) comes from the data file like everybody's.
"""

from __future__ import annotations

from typing import ClassVar

from .profiles import ModelProfile


class GPT5(ModelProfile):
    """GPT-5."""

    key = "gpt-5"
    context_window = 128_000
    reasoning_efforts: ClassVar[list[str]] = ["low", "medium", "high"]


class GPT5Mini(ModelProfile):
    """GPT-5 mini."""

    key = "gpt-5-mini"
    context_window = 128_000
    reasoning_efforts: ClassVar[list[str]] = ["low", "medium", "high"]


class GPT5Nano(ModelProfile):
    """GPT-5 nano."""

    key = "gpt-5-nano"
    context_window = 128_000
    reasoning_efforts: ClassVar[list[str]] = ["low", "medium", "high"]


class GPT5Point1(ModelProfile):
    """GPT-5.1."""

    key = "gpt-5.1"
    context_window = 128_000
    reasoning_efforts: ClassVar[list[str]] = ["low", "medium", "high"]


class GPT5Point2(ModelProfile):
    """GPT-5.2."""

    key = "gpt-5.2"
    context_window = 128_000
    reasoning_efforts: ClassVar[list[str]] = ["low", "medium", "high"]


class TextEmbedding3Large(ModelProfile):
    """text-embedding-3-large."""

    key = "text-embedding-3-large"
    context_window = 8192
    reasoning_efforts: ClassVar[list[str]] = []


class TextEmbedding3Small(ModelProfile):
    """text-embedding-3-small."""

    key = "text-embedding-3-small"
    context_window = 8192
    reasoning_efforts: ClassVar[list[str]] = []


for _profile in (GPT5, GPT5Mini, GPT5Nano, GPT5Point1, GPT5Point2, TextEmbedding3Large, TextEmbedding3Small):
    ModelProfile.register(_profile)
