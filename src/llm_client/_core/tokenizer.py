"""Tokens of bare text: by the model's vocabulary where it is at hand, otherwise by an estimate that says so.

Apart from `files` this is the only module of the core that does I/O: it reads vocabulary files, and fetches a missing
one once. tiktoken's own download has no time-out and no checksum for what lies in its cache, so it is not used.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from . import estimator, files
from .capabilities import is_older_claude, plain_name

DOWNLOAD_SECONDS = 5.0
"""How long a download may take, name resolution included."""

URL_VARIABLE = "LLM_CLIENT_VOCABULARY_URL"
"""Where vocabularies are fetched from instead of OpenAI's store, for closed networks; "off": nowhere."""


class Tokenizer(Protocol):
    """Counts the tokens of bare text."""

    @property
    def exact(self) -> bool:
        """True if this is the model's own vocabulary, False for an estimate."""

    @property
    def name(self) -> str:
        """The vocabulary's name, or "estimate"."""

    def count(self, text: str) -> int:
        """How many tokens the text is; text that looks like a special token is text."""


class TokenizerUnavailableError(RuntimeError):
    """A vocabulary is neither on disk nor could it be fetched."""


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    file_name: str
    """As tiktoken names the file in its cache: the sha1 of its address."""
    sha256: str
    pattern: str


_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_LOWER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_VOCABULARIES = {
    "o200k_base": _Vocabulary(
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        "|".join(
            (
                rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_CONTRACTION}",
                rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_CONTRACTION}",
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                r"\s*[\r\n]+",
                r"\s+(?!\S)",
                r"\s+",
            )
        ),
    ),
    "cl100k_base": _Vocabulary(
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    ),
}
DEFAULT_VOCABULARY = "o200k_base"

# tiktoken's native code works on one piece of text at a time, and in quadratic time on some: a megabyte of one letter
# must not take minutes.
_LONGEST_PIECE = 50_000


class _Exact:
    """A vocabulary in memory."""

    __slots__ = ("_encode", "exact", "name")

    def __init__(self, name: str, encode: Any, exact: bool = True) -> None:
        self.name = name
        self.exact = exact
        self._encode = encode

    def count(self, text: str) -> int:
        if len(text) <= _LONGEST_PIECE:
            return len(self._encode(text))
        return sum(len(self._encode(piece)) for piece in _cut(text))

    def borrowed(self) -> _Exact:
        """The same vocabulary for a model that it does not belong to: an estimate."""
        return _Exact(self.name, self._encode, exact=False)


def _cut(text: str) -> list[str]:
    """The text in pieces, cut before white space where there is some, so that no word is split."""
    pieces, start = [], 0
    while len(text) - start > _LONGEST_PIECE:
        end = start + _LONGEST_PIECE
        near = text.rfind(" ", start + _LONGEST_PIECE // 2, end)
        end = near if near > start else end
        pieces.append(text[start:end])
        start = end
    pieces.append(text[start:])
    return pieces


_loaded: dict[str, _Exact] = {}
_gave_up: set[str] = set()
_lock = threading.Lock()


def _renew_lock() -> None:
    # A fork while another thread loads would leave the lock held for ever in the child.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def vocabulary_of(model: str) -> str | None:
    """The vocabulary of a model, None where it has no published one."""
    name = plain_name(model)
    if name.startswith(("gpt-4o", "gpt-4.", "chatgpt-4o", "gpt-5", "gpt-6", "gpt-7", "gpt-oss", "gpt-audio", "codex-")):
        return "o200k_base"
    if len(name) > 1 and name[0] == "o" and name[1].isdigit():
        return "o200k_base"
    if name.startswith(("gpt-4", "gpt-3.5", "text-embedding-")):
        return "cl100k_base"
    return None


def tokenizer_for(model: str, vendor: str) -> Tokenizer:
    """Counts for a model: exactly where its vocabulary is in memory, on disk or can be fetched now.

    On a running event loop nothing is fetched.
    """
    if vendor == "anthropic":
        # No vocabulary is published; an estimate of one's own beats another vendor's vocabulary.
        return estimator.CLAUDE if is_older_claude(model) else estimator.CLAUDE_NEW
    name = vocabulary_of(model)
    found = _available(name or DEFAULT_VOCABULARY)
    if found is None:
        return estimator.O200K if (name or DEFAULT_VOCABULARY) == "o200k_base" else estimator.CL100K
    return found if name else found.borrowed()


def default_tokenizer() -> Tokenizer:
    """For messages of which nobody says what model they are for."""
    return _available(DEFAULT_VOCABULARY) or estimator.O200K


def load_tokenizer(model: str | None = None) -> Tokenizer:
    """Load a model's vocabulary into memory, fetching it if it is not on disk; blocks for up to a few seconds.

    Args:
        model: A model's name; None: the vocabulary of OpenAI's current models.

    Raises:
        TokenizerUnavailableError: It is not on disk and could not be fetched; says where it was looked for.
        ValueError: The model has no published vocabulary.
    """
    name = DEFAULT_VOCABULARY if model is None else vocabulary_of(model)
    if name is None:
        raise ValueError(f"{model!r} has no published vocabulary; its tokens are estimated")
    found = _loaded.get(name)
    if found is None:
        with _lock:
            found = _loaded.get(name) or _load(name, _fetch)
    return found


def is_loaded(model: str | None = None) -> bool:
    """True if the vocabulary is in memory, or there is none to load."""
    name = DEFAULT_VOCABULARY if model is None else vocabulary_of(model)
    return name is None or name in _loaded


def vocabulary_files() -> dict[str, Path | None]:
    """Where each vocabulary lies on disk, None for one that does not; for the doctor command."""
    return {name: _on_disk(vocabulary)[0] for name, vocabulary in _VOCABULARIES.items()}


def _available(name: str) -> _Exact | None:
    found = _loaded.get(name)
    if found is not None or name in _gave_up:
        return found
    with _lock:
        found = _loaded.get(name)
        if found is not None or name in _gave_up:
            return found
        on_loop = _on_event_loop()
        try:
            return _load(name, None if on_loop else _fetch)
        except TokenizerUnavailableError:
            if not on_loop:
                _gave_up.add(name)
            return None


def _on_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _load(name: str, fetch: Any) -> _Exact:
    vocabulary = _VOCABULARIES[name]
    _, content = _on_disk(vocabulary)
    if content is None:
        if fetch is None:
            raise TokenizerUnavailableError(f"the vocabulary {name} is not on disk")
        content = fetch(name, vocabulary)
    made = _Exact(name, _encoder(name, vocabulary, content))
    _loaded[name] = made
    _gave_up.discard(name)
    return made


def _encoder(name: str, vocabulary: _Vocabulary, content: bytes) -> Any:
    import tiktoken

    ranks: dict[bytes, int] = {}
    for line in content.splitlines():
        token, _, rank = line.partition(b" ")
        ranks[base64.b64decode(token)] = int(rank)
    encoding = tiktoken.Encoding(name, pat_str=vocabulary.pattern, mergeable_ranks=ranks, special_tokens={})
    return encoding.encode_ordinary


def _folders() -> list[Path]:
    """Where vocabularies may lie: tiktoken's places in its order, then our own."""
    given = [os.environ[name] for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR") if os.environ.get(name)]
    import tempfile

    return [*map(Path, given), Path(tempfile.gettempdir()) / "data-gym-cache", cache_folder()]


def cache_folder() -> Path:
    """Where fetched vocabularies are kept: the user's cache folder."""
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = str(Path.home() / "Library" / "Caches")
    else:
        root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "llm-client"


def _on_disk(vocabulary: _Vocabulary) -> tuple[Path | None, bytes | None]:
    for folder in _folders():
        path = folder / vocabulary.file_name
        try:
            content = files.read_bytes(path)
        except OSError:
            continue
        # A half-written or meddled-with file counts as none.
        if hashlib.sha256(content).hexdigest() == vocabulary.sha256:
            return path, content
    return None, None


def _address(name: str) -> str:
    base = os.environ.get(URL_VARIABLE) or "https://openaipublic.blob.core.windows.net/encodings"
    return f"{base.rstrip('/')}/{name}.tiktoken"


def _fetch(name: str, vocabulary: _Vocabulary) -> bytes:
    if os.environ.get(URL_VARIABLE, "").lower() == "off":
        raise TokenizerUnavailableError(
            f"the vocabulary {name} is not on disk, and {URL_VARIABLE}=off forbids fetching"
        )
    # Here, since few processes ever fetch; and not on the thread, since a fork must not find an import half done.
    import urllib.error
    import urllib.request

    url = _address(name)
    outcome: list[bytes | BaseException] = []
    late = TimeoutError(f"no answer within {DOWNLOAD_SECONDS:g} s")

    def download() -> None:
        try:
            with urllib.request.urlopen(url, timeout=DOWNLOAD_SECONDS) as answer:
                outcome.append(answer.read(64_000_000))
        except urllib.error.HTTPError as error:
            error.close()
            outcome.append(OSError(f"status {error.code}"))
        except TimeoutError:
            # The socket's clock may strike a moment before the caller's: one thing happened, so one thing is said.
            outcome.append(late)
        except Exception as error:  # whatever it is, the waiting caller reports it
            outcome.append(error)

    # A socket's time-out covers neither name resolution nor a server that drips; waiting for a thread covers all.
    worker = threading.Thread(target=download, name="llm-client-vocabulary", daemon=True)
    try:
        worker.start()
    except Exception as error:  # no threads left, or none allowed: counting falls back to an estimate
        raise TokenizerUnavailableError(f"the vocabulary {name} is not on disk, and no thread can fetch it") from error
    worker.join(DOWNLOAD_SECONDS)
    found = outcome[0] if outcome else late
    looked = ", ".join(map(str, _folders()))
    if isinstance(found, BaseException):
        raise TokenizerUnavailableError(
            f"the vocabulary {name} is in none of {looked} and could not be fetched from {url}: {found}. "
            f"Put the file {vocabulary.file_name} into one of these folders, or set {URL_VARIABLE}"
        ) from found
    if hashlib.sha256(found).hexdigest() != vocabulary.sha256:
        raise TokenizerUnavailableError(f"what {url} sent is not the vocabulary {name}: its checksum differs")
    try:
        files.write_atomic(cache_folder() / vocabulary.file_name, found)
    except OSError:
        # A home that cannot be written costs the next process another download, no more.
        return found
    return found
