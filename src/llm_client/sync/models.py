"""What is known of models."""

from .._core.capabilities import Capabilities
from .._core.profiles import ModelProfile
from .._core.profiles_openai import (
    GPT5,
    GPT5Mini,
    GPT5Nano,
    GPT5Point1,
    GPT5Point2,
    TextEmbedding3Large,
    TextEmbedding3Small,
)
from .._core.tokenizer import TokenizerUnavailableError, load_tokenizer

__all__ = [
    "GPT5",
    "Capabilities",
    "GPT5Mini",
    "GPT5Nano",
    "GPT5Point1",
    "GPT5Point2",
    "ModelProfile",
    "TextEmbedding3Large",
    "TextEmbedding3Small",
    "TokenizerUnavailableError",
    "load_tokenizer",
]
