"""Parts of a message's content: text, images, files, audio.

`to_dict` and `from_dict` use OpenAI's chat shape, the form that most of this field's code passes around.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from . import files

# Anthropic's sources that have a class here; others are handed on as they are.
_SOURCES = {"image": ("base64", "url"), "document": ("base64", "text", "url", "file")}

_IMAGE_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
)


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text.

    Args:
        text: The text.
        cache_control: Anthropic's mark for its prompt cache, such as {"type": "ephemeral"}; OpenAI never sees it.
    """

    text: str
    cache_control: Mapping[str, Any] | None = field(default=None, kw_only=True, hash=False)

    def to_dict(self) -> dict[str, Any]:
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image: by address, or as base64 data with its media type.

    Args:
        url: Where the vendor fetches it from.
        data: Base64 text, without a `data:` prefix.
        media_type: Such as "image/png"; needed with `data`.
        detail: OpenAI's "low", "high" or "auto".
        cache_control: As in TextPart.
    """

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: str | None = None
    cache_control: Mapping[str, Any] | None = field(default=None, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        if (self.url is None) == (self.data is None):
            raise ValueError("an image has either a url or data, exactly one of the two")
        if self.url is not None and self.url.startswith("data:"):
            media_type, data = split_data_url(self.url)
            object.__setattr__(self, "url", None)
            object.__setattr__(self, "data", data)
            object.__setattr__(self, "media_type", media_type)
        if self.data is not None and not self.media_type:
            raise ValueError('an image given as data needs its media_type, such as "image/png"')

    @classmethod
    def from_bytes(cls, content: bytes, *, media_type: str | None = None, detail: str | None = None) -> ImagePart:
        """An image from its bytes; PNG, JPEG, GIF and WebP are recognised.

        Raises:
            ValueError: The bytes are none of these, and no media_type was given.
        """
        media_type = media_type or image_media_type(content)
        if media_type is None:
            raise ValueError("the bytes are no PNG, JPEG, GIF or WebP image; pass media_type= for another kind")
        return cls(data=base64.b64encode(content).decode("ascii"), media_type=media_type, detail=detail)

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], *, detail: str | None = None) -> ImagePart:
        """An image from a file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no PNG, JPEG, GIF or WebP image.
        """
        content = _read(path, "image")
        if image_media_type(content) is None:
            raise ValueError(f"{os.fspath(path)!r} is no PNG, JPEG, GIF or WebP image")
        return cls.from_bytes(content, detail=detail)

    @property
    def data_url(self) -> str:
        """The address, or the data as a `data:` URL."""
        return self.url if self.url is not None else f"data:{self.media_type};base64,{self.data}"

    def to_dict(self) -> dict[str, Any]:
        image: dict[str, Any] = {"url": self.data_url}
        if self.detail is not None:
            image["detail"] = self.detail
        return {"type": "image_url", "image_url": image}


@dataclass(frozen=True, slots=True)
class FilePart:
    """A document: as base64 data, by address, or by the id of an uploaded file.

    Args:
        data: Base64 text, without a `data:` prefix.
        media_type: Such as "application/pdf"; needed with `data`.
        filename: Shown to the model.
        url: Where the vendor fetches it from.
        file_id: Of a file uploaded to the vendor before.
        cache_control: As in TextPart.
    """

    data: str | None = None
    media_type: str | None = None
    filename: str | None = None
    url: str | None = None
    file_id: str | None = None
    cache_control: Mapping[str, Any] | None = field(default=None, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        if sum(source is not None for source in (self.data, self.url, self.file_id)) != 1:
            raise ValueError("a file has either data, a url or a file_id, exactly one of the three")
        if self.data is not None and self.data.startswith("data:"):
            media_type, data = split_data_url(self.data)
            object.__setattr__(self, "data", data)
            object.__setattr__(self, "media_type", media_type)
        if self.data is not None and not self.media_type:
            raise ValueError('a file given as data needs its media_type, such as "application/pdf"')

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], *, media_type: str | None = None) -> FilePart:
        """A document from a file; the media type is guessed from its name.

        Raises:
            FileNotFoundError: There is no such file.
        """
        content = _read(path, "file")
        name = Path(path).name
        kind = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return cls(data=base64.b64encode(content).decode("ascii"), media_type=kind, filename=name)

    @property
    def data_url(self) -> str | None:
        """The data as a `data:` URL, or None where the file is not given as data."""
        return None if self.data is None else f"data:{self.media_type};base64,{self.data}"

    def to_dict(self) -> dict[str, Any]:
        given = {"filename": self.filename, "file_data": self.data_url, "file_url": self.url, "file_id": self.file_id}
        return {"type": "file", "file": {key: value for key, value in given.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class AudioPart:
    """Recorded sound.

    Args:
        data: Base64 text.
        format: "wav" or "mp3".
    """

    data: str
    format: str = "wav"

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> AudioPart:
        """Sound from a .wav or .mp3 file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: Its name ends otherwise.
        """
        ending = Path(path).suffix.lower().lstrip(".")
        if ending not in ("wav", "mp3"):
            raise ValueError(f"audio is a .wav or .mp3 file, got {os.fspath(path)!r}")
        return cls(data=base64.b64encode(_read(path, "audio")).decode("ascii"), format=ending)

    def to_dict(self) -> dict[str, Any]:
        return {"type": "input_audio", "input_audio": {"data": self.data, "format": self.format}}


@dataclass(frozen=True, slots=True)
class RawPart:
    """A part of a kind that has no class here, handed to the API as it is: a vendor's or gateway's extension.

    Args:
        value: The part's JSON.
    """

    value: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return dict(self.value)


Part = TextPart | ImagePart | FilePart | AudioPart | RawPart
Kind = Literal["text", "image", "file", "audio"]


def part_to_dict(part: Part) -> dict[str, Any]:
    """A part as it is saved: OpenAI's chat shape, with the mark for Anthropic's cache, which OpenAI would refuse."""
    value = part.to_dict()
    control = None if isinstance(part, (AudioPart, RawPart)) else part.cache_control
    if control is not None:
        value["cache_control"] = dict(control)
    return value


def image_media_type(content: bytes) -> str | None:
    """The media type of an image by its first bytes, or None."""
    for signature, offset, media_type in _IMAGE_SIGNATURES:
        if content[offset : offset + len(signature)] == signature:
            return media_type
    return None


def split_data_url(url: str) -> tuple[str, str]:
    """Media type and base64 text of a `data:` URL.

    Raises:
        ValueError: It is not one with base64 data.
    """
    head, found, data = url[5:].partition(",")
    media_type, _, encoding = head.partition(";")
    data = "".join(data.split())  # base64 may come in lines
    if not found or not encoding.endswith("base64"):
        raise ValueError(f"expected 'data:TYPE;base64,DATA', got {url[:60]!r}")
    try:
        binascii.a2b_base64(data[:4096] if len(data) > 4096 else data)
    except ValueError as error:
        raise ValueError(f"the data of {url[:40]!r} is not base64: {error}") from error
    return media_type or "text/plain", data


def _read(path: str | os.PathLike[str], what: str) -> bytes:
    try:
        return files.read_bytes(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"the {what} {os.fspath(path)!r} does not exist") from error


def part_from_dict(value: Any) -> Part:
    """A part from OpenAI's chat shape, or from the Responses and Anthropic spellings of the same.

    What is of no kind known here becomes a RawPart, and the API judges it.

    Raises:
        TypeError: It is neither a dict nor a string.
        ValueError: It is incomplete.
    """
    if isinstance(value, str):
        return TextPart(value)
    if isinstance(value, (TextPart, ImagePart, FilePart, AudioPart, RawPart)):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"a part of a message is a dict, a string or a Part, got {type(value).__name__}")
    control = value.get("cache_control")
    if control is not None:
        part = part_from_dict({key: item for key, item in value.items() if key != "cache_control"})
        if isinstance(part, RawPart):
            return RawPart(dict(value))
        if isinstance(part, AudioPart) or not isinstance(control, Mapping):
            raise ValueError(
                'cache_control is a dict such as {"type": "ephemeral"} on a part with text, an image or a file'
            )
        return replace(part, cache_control=dict(control))
    kind = value.get("type")
    if kind in ("text", "input_text", "output_text") or (kind is None and isinstance(value.get("text"), str)):
        text = value.get("text")
        if not isinstance(text, str):
            raise ValueError(f"a text part needs 'text' as a string, got {text!r}")
        return TextPart(text)
    if kind in ("image_url", "input_image"):
        image = value.get("image_url")
        if image is None and value.get("file_id") is not None:
            return RawPart(dict(value))  # an uploaded image, which only the Responses API has
        detail = value.get("detail")
        if isinstance(image, Mapping):
            detail = image.get("detail", detail)
            image = image.get("url")
        if not isinstance(image, str) or not image:
            raise ValueError("an image part needs {'image_url': {'url': ...}}")
        return ImagePart(url=image, detail=detail)
    if kind in ("image", "document") and isinstance(value.get("source"), Mapping):
        if value["source"].get("type") not in _SOURCES[kind] or value.keys() - {"type", "source", "title"}:
            return RawPart(dict(value))
        return _from_source(kind, value["source"], value.get("title"))
    if kind in ("file", "input_file"):
        nested = value.get("file")
        file = nested if isinstance(nested, Mapping) else value
        return FilePart(
            data=file.get("file_data"),
            filename=file.get("filename"),
            url=file.get("file_url"),
            file_id=file.get("file_id"),
            media_type=file.get("media_type") or mimetypes.guess_type(file.get("filename") or "")[0],
        )
    if kind == "input_audio" and isinstance(value.get("input_audio"), Mapping):
        audio = value["input_audio"]
        return AudioPart(data=audio.get("data") or "", format=audio.get("format") or "wav")
    return RawPart(dict(value))


def _from_source(kind: str, source: Mapping[str, Any], title: Any) -> Part:
    where = source.get("type")
    if kind == "image":
        if where == "url":
            return ImagePart(url=source.get("url"))
        return ImagePart(data=source.get("data"), media_type=source.get("media_type"))
    if where == "url":
        return FilePart(url=source.get("url"), filename=title)
    if where == "file":
        return FilePart(file_id=source.get("file_id"), filename=title)
    if where == "text" and isinstance(source.get("data"), str):
        # The only source whose data is no base64.
        encoded = base64.b64encode(source["data"].encode("utf-8", "surrogatepass")).decode("ascii")
        return FilePart(data=encoded, media_type=source.get("media_type") or "text/plain", filename=title)
    return FilePart(data=source.get("data"), media_type=source.get("media_type"), filename=title)
