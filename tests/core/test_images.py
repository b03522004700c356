"""The size of images from their first bytes, and their tokens by the vendors' rules."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.images import image_size, image_tokens, size_of_bytes
from llm_client._core.parts import ImagePart


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02\0\0\0"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0"


def jpeg(width: int, height: int, exif: int = 100) -> bytes:
    head = b"\xff\xd8" + b"\xff\xe1" + struct.pack(">H", exif + 2) + b"e" * exif + b"\xff\xff"
    table = b"\xdb" + struct.pack(">H", 67) + b"q" * 65
    return head + table + b"\xff\xc2" + struct.pack(">HBHH", 11, 8, height, width) + b"\x03"


def webp(kind: bytes, width: int, height: int) -> bytes:
    if kind == b"VP8 ":
        body = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    elif kind == b"VP8L":
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\0\0\0\0WEBP" + kind + struct.pack("<I", len(body)) + body + b"\0" * 10


@pytest.mark.parametrize(
    "content",
    [
        png(640, 480),
        gif(640, 480),
        jpeg(640, 480),
        jpeg(640, 480, 60_000),
        webp(b"VP8 ", 640, 480),
        webp(b"VP8L", 640, 480),
        webp(b"VP8X", 640, 480),
    ],
)
def test_sizes_are_read(content: bytes) -> None:
    assert size_of_bytes(content) == (640, 480)
    part = ImagePart(data=base64.b64encode(content).decode(), media_type="image/png")
    assert image_size(part) == (640, 480)


@pytest.mark.parametrize("content", [b"", b"no image", png(1, 1)[:20], jpeg(1, 1)[:50], b"\xff\xd8junk-and-more-junk"])
def test_what_cannot_be_read_has_no_size(content: bytes) -> None:
    assert size_of_bytes(content) is None


@given(st.sampled_from([png, gif, jpeg]), st.binary(max_size=200), st.integers(0, 200))
def test_broken_images_are_harmless(make: object, junk: bytes, cut: int) -> None:
    content = make(300, 200)[:cut] + junk  # type: ignore[operator]
    size = size_of_bytes(content)
    assert size is None or len(size) == 2


def image(width: int, height: int, detail: str | None = None) -> ImagePart:
    return ImagePart(data=base64.b64encode(png(width, height)).decode(), media_type="image/png", detail=detail)


# The first three are the examples of OpenAI's page.
@pytest.mark.parametrize(
    ("model", "part", "expected"),
    [
        ("gpt-4o", image(1024, 1024), 85 + 4 * 170),  # shrunk to 768 x 768
        ("gpt-4o", image(2048, 4096), 85 + 6 * 170),  # to 1024 x 2048, then to 768 x 1536
        ("gpt-4o", image(4096, 8192, "low"), 85),
        ("gpt-4o", image(512, 512), 85 + 170),
        ("gpt-4o", image(513, 100), 85 + 2 * 170),
        ("gpt-4o-mini", image(512, 512), 2833 + 5667),
        ("gpt-5", image(1024, 1024), 70 + 4 * 140),
        ("o1", image(512, 512), 75 + 150),
        ("gpt-4.1-mini", image(1024, 1024), 1659),  # 32 x 32 patches, times 1.62
        ("gpt-4.1-nano", image(1024, 1024), 2520),  # times 2.46
        ("o4-mini", image(1024, 1024), 1762),  # times 1.72
        ("gpt-4.1-mini", image(1800, 2400), 2353),  # 1452 patches after shrinking to the budget of 1536
    ],
)
def test_openais_rules(model: str, part: ImagePart, expected: int) -> None:
    assert image_tokens(part, "openai", model) == expected


@pytest.mark.parametrize(
    ("model", "part", "expected"),
    [
        ("claude-opus-4-6", image(200, 200), 54),
        ("claude-opus-4-6", image(1000, 1000), 1334),
        ("claude-opus-4-6", image(4000, 4000), 1600),
        ("claude-opus-4-8", image(1000, 1000), 1334),
        ("claude-opus-4-8", image(4000, 4000), 4784),
    ],
)
def test_anthropics_rule(model: str, part: ImagePart, expected: int) -> None:
    assert image_tokens(part, "anthropic", model) == expected


def test_an_image_given_by_address_is_taken_for_a_square_of_1024() -> None:
    away = ImagePart(url="https://example.org/a.png")
    assert image_tokens(away, "openai", "gpt-4o") == image_tokens(image(1024, 1024), "openai", "gpt-4o")
    broken = ImagePart(data="AAAA", media_type="image/png")
    assert image_tokens(broken, "anthropic", "claude-opus-5") == image_tokens(away, "anthropic", "claude-opus-5")
