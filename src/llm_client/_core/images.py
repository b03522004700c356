"""The size of an image from its first bytes, and what it costs in tokens by the vendors' published rules.

OpenAI: https://developers.openai.com/api/docs/guides/images-vision#calculating-costs
Anthropic: https://platform.claude.com/docs/en/build-with-claude/vision#evaluate-image-size
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass

from .capabilities import is_older_claude, plain_name
from .parts import ImagePart

ASSUMED_SIZE = (1024, 1024)
"""Pixels, for an image of which only the address is known."""

# Enough of a JPEG to pass its EXIF block, which comes before the size.
_HEAD_CHARACTERS = 400_000


@dataclass(frozen=True, slots=True)
class _Tiles:
    """512-pixel squares: a base, and a price for each square."""

    base: int
    tile: int


@dataclass(frozen=True, slots=True)
class _Patches:
    """32-pixel squares, up to a budget, times a factor."""

    factor: float
    budget: int = 1536


# By the start of the plain name; the special stands before the general.
_OPENAI_RULES: tuple[tuple[str, _Tiles | _Patches], ...] = (
    ("gpt-4o-mini", _Tiles(2833, 5667)),
    ("gpt-4.1-mini", _Patches(1.62)),
    ("gpt-4.1-nano", _Patches(2.46)),
    ("gpt-5-mini", _Patches(1.62)),
    ("gpt-5-nano", _Patches(2.46)),
    ("gpt-5.4-mini", _Patches(1.62)),
    ("gpt-5.4-nano", _Patches(2.46)),
    ("gpt-5.4", _Patches(1.0, 2500)),
    ("gpt-5.5", _Patches(1.0, 2500)),
    ("gpt-5.6", _Patches(1.0, 2500)),
    ("gpt-6", _Patches(1.0, 2500)),
    ("o4-mini", _Patches(1.72)),
    ("o1", _Tiles(75, 150)),
    ("o3", _Tiles(75, 150)),
    ("computer-use", _Tiles(65, 129)),
    ("gpt-5", _Tiles(70, 140)),
    ("", _Tiles(85, 170)),
)


def image_tokens(image: ImagePart, vendor: str, model: str) -> int:
    """Tokens of an image; for one given by address those of a square of 1024 pixels."""
    width: float
    height: float
    width, height = image_size(image) or ASSUMED_SIZE
    if vendor == "anthropic":
        return _claude(width, height, model)
    name = plain_name(model)
    rule = next(rule for start, rule in _OPENAI_RULES if name.startswith(start))
    if isinstance(rule, _Patches):
        if image.detail == "low":
            width, height = _within(width, height, 512)
        return _patches(width, height, rule)
    if image.detail == "low":
        return rule.base
    width, height = _within(width, height, 2048)
    shortest = min(width, height)
    if shortest > 768:
        width, height = width * 768 / shortest, height * 768 / shortest
    return rule.base + rule.tile * math.ceil(width / 512) * math.ceil(height / 512)


def _patches(width: float, height: float, rule: _Patches) -> int:
    patches = math.ceil(width / 32) * math.ceil(height / 32)
    if patches > rule.budget:
        shrink = math.sqrt(rule.budget * 32 * 32 / (width * height))
        across, down = width * shrink / 32, height * shrink / 32
        shrink *= min(math.floor(across) / across, math.floor(down) / down) if across >= 1 and down >= 1 else 1
        patches = min(rule.budget, math.ceil(width * shrink / 32) * math.ceil(height * shrink / 32))
    return math.ceil(patches * rule.factor)


def _claude(width: float, height: float, model: str) -> int:
    # Since Opus 4.7 images are kept up to 2576 pixels, before that up to 1568 and about 1.15 megapixels.
    edge, most = (1568, 1600) if is_older_claude(model) else (2576, 4784)
    width, height = _within(width, height, edge)
    return min(most, math.ceil(width * height / 750))


def _within(width: float, height: float, edge: int) -> tuple[float, float]:
    longest = max(width, height)
    return (width, height) if longest <= edge else (width * edge / longest, height * edge / longest)


def image_size(image: ImagePart) -> tuple[int, int] | None:
    """Width and height in pixels, None where the data is not there or not understood."""
    if image.data is None:
        return None
    head = image.data[:_HEAD_CHARACTERS]
    try:
        content = base64.b64decode(head + "=" * (-len(head) % 4))
    except ValueError:
        return None
    size = size_of_bytes(content)
    return size if size and size[0] and size[1] else None


def size_of_bytes(content: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF, WebP or JPEG from its first bytes, None for anything else or too few bytes."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and len(content) >= 24:
        return _big(content, 16, 4), _big(content, 20, 4)
    if content[:6] in (b"GIF87a", b"GIF89a") and len(content) >= 10:
        return _little(content, 6, 2), _little(content, 8, 2)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP" and len(content) >= 30:
        return _webp(content)
    if content[:2] == b"\xff\xd8":
        return _jpeg(content)
    return None


def _webp(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8 ":
        return _little(content, 26, 2) & 0x3FFF, _little(content, 28, 2) & 0x3FFF
    if kind == b"VP8L":
        bits = _little(content, 21, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        return _little(content, 24, 3) + 1, _little(content, 27, 3) + 1
    return None


def _jpeg(content: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(content):
        if content[position] != 0xFF:
            return None
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _big(content, position + 7, 2), _big(content, position + 5, 2)
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            position += 2
        else:
            position += 2 + max(2, _big(content, position + 2, 2))
    return None


def _big(content: bytes, start: int, length: int) -> int:
    return int.from_bytes(content[start : start + length], "big")


def _little(content: bytes, start: int, length: int) -> int:
    return int.from_bytes(content[start : start + length], "little")
