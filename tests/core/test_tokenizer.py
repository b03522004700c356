"""Vocabulary files: found, checked, fetched at most once, never on a running event loop."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiktoken

from llm_client._core import estimator, tokenizer
from llm_client._core.profiles import ModelProfile
from llm_client._core.tokenizer import TokenizerUnavailableError, default_tokenizer, load_tokenizer, tokenizer_for

# A small vocabulary: all bytes, and the merges of a few words.
_MERGES = (b"he", b"ll", b"hell", b"hello", b" w", b"or", b" wor", b" worl", b" world", b"12", b"123", b"\n\n", b"  ")
RANKS = {**{bytes([byte]): byte for byte in range(256)}, **{merge: 256 + at for at, merge in enumerate(_MERGES)}}
CONTENT = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in RANKS.items())
TEXTS = (
    "hello world",
    "Hello, world! 123456",
    "",
    "<|endoftext|> hello <|im_start|>",
    "\n\n  \t 日本語 🎉 naïve",
    "getUserName don't WON'T it's",
    "lone surrogate \ud800 here",
)


class Server:
    """A store of vocabularies on loopback."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.status = 200
        self.asked: list[str] = []
        self.answering = threading.Event()
        self.answering.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.answering.wait(30)
                try:
                    self.send_response(outer.status)
                    self.end_headers()
                    self.wfile.write(outer.content)
                except OSError:
                    return

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/encodings/"

    def close(self) -> None:
        self.answering.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Nothing on disk, nothing in memory, and a store to fetch from."""
    small = tokenizer._Vocabulary(
        tokenizer._VOCABULARIES["o200k_base"].file_name,
        hashlib.sha256(CONTENT).hexdigest(),
        tokenizer._VOCABULARIES["o200k_base"].pattern,
    )
    monkeypatch.setattr(tokenizer, "_VOCABULARIES", {"o200k_base": small, "cl100k_base": small})
    monkeypatch.setattr(tokenizer, "_loaded", {})
    monkeypatch.setattr(tokenizer, "_gave_up", set())
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))
    for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    monkeypatch.setenv(tokenizer.URL_VARIABLE, server.url)
    yield server
    server.close()


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / tokenizer._VOCABULARIES["o200k_base"].file_name
    path.write_bytes(content)
    return path


def reference() -> tiktoken.Encoding:
    pattern = tokenizer._VOCABULARIES["o200k_base"].pattern
    return tiktoken.Encoding("reference", pat_str=pattern, mergeable_ranks=RANKS, special_tokens={"<|endoftext|>": 999})


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_the_vocabularies_are_described_as_tiktoken_describes_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import tiktoken_ext.openai_public as public

    asked = []

    def load(url: str, expected_hash: str) -> dict[bytes, int]:
        asked.append((url, expected_hash))
        return {}

    monkeypatch.setattr(public, "load_tiktoken_bpe", load)
    theirs = getattr(public, name)()
    ours = tokenizer._VOCABULARIES[name]
    assert theirs["pat_str"] == ours.pattern
    ((url, sha256),) = asked
    assert sha256 == ours.sha256
    assert hashlib.sha1(url.encode()).hexdigest() == ours.file_name
    monkeypatch.delenv(tokenizer.URL_VARIABLE, raising=False)
    assert tokenizer._address(name) == url


@pytest.mark.parametrize("text", TEXTS)
def test_exact_counts_are_tiktokens(store: Server, text: str) -> None:
    found = load_tokenizer("gpt-5")
    assert found.exact
    assert found.name == "o200k_base"
    assert found.count(text) == len(reference().encode(text, disallowed_special=()))


def test_long_texts_are_counted_in_pieces_that_split_no_word(store: Server) -> None:
    text = "hello world " * 20_000
    assert load_tokenizer().count(text) == len(reference().encode_ordinary(text))
    assert load_tokenizer().count("a" * 200_001) == 200_001


def test_a_missing_vocabulary_is_fetched_once_and_kept(store: Server, tmp_path: Path) -> None:
    first = tokenizer_for("gpt-5", "openai")
    assert first.exact
    assert tokenizer_for("gpt-4o", "openai") is first
    assert store.asked == ["/encodings/o200k_base.tiktoken"]
    kept = tmp_path / "cache" / "llm-client" / tokenizer._VOCABULARIES["o200k_base"].file_name
    assert kept.read_bytes() == CONTENT
    assert tokenizer.vocabulary_files()["o200k_base"] == kept
    tokenizer._loaded.clear()
    assert tokenizer_for("gpt-5", "openai").exact
    assert len(store.asked) == 1


@pytest.mark.parametrize("place", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR", "temporary", "own"])
def test_vocabularies_on_disk_are_found(
    store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    folder = {"temporary": tmp_path / "temporary" / "data-gym-cache", "own": tmp_path / "cache" / "llm-client"}
    put(folder.get(place, tmp_path / "elsewhere"))
    if place.isupper():
        monkeypatch.setenv(place, str(tmp_path / "elsewhere"))
    assert tokenizer_for("gpt-5", "openai").exact
    assert store.asked == []


def test_a_damaged_file_counts_as_none_and_is_replaced(store: Server, tmp_path: Path) -> None:
    path = put(tmp_path / "cache" / "llm-client", CONTENT[:-100])
    assert tokenizer_for("gpt-5", "openai").exact
    assert len(store.asked) == 1
    assert path.read_bytes() == CONTENT


def test_what_was_fetched_is_checked(store: Server, tmp_path: Path) -> None:
    store.content = CONTENT + b"QUJD 9999\n"
    with pytest.raises(TokenizerUnavailableError, match="checksum"):
        load_tokenizer("gpt-5")
    assert not (tmp_path / "cache").exists()


def test_a_store_that_fails_is_asked_once_and_counts_are_estimated(store: Server) -> None:
    store.status = 503
    for _ in range(3):
        found = tokenizer_for("gpt-5", "openai")
        assert not found.exact
        assert found is estimator.O200K
    assert len(store.asked) == 1
    with pytest.raises(TokenizerUnavailableError, match="could not be fetched from http://127"):
        load_tokenizer()
    store.status = 200
    assert load_tokenizer().exact
    assert tokenizer_for("gpt-5", "openai").exact


@pytest.mark.parametrize("first", ["the socket's clock", "the caller's clock"])
def test_a_store_that_drips_is_left_after_its_time(store: Server, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    store.answering.clear()
    monkeypatch.setattr(tokenizer, "DOWNLOAD_SECONDS", 0.2)
    if first == "the socket's clock":
        join = threading.Thread.join
        monkeypatch.setattr(threading.Thread, "join", lambda thread, timeout=None: join(thread, 30))
    with pytest.raises(TokenizerUnavailableError, match=r"no answer within 0\.2 s"):
        load_tokenizer()


def test_fetching_can_be_forbidden(store: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tokenizer.URL_VARIABLE, "off")
    assert not tokenizer_for("gpt-5", "openai").exact
    assert not default_tokenizer().exact
    with pytest.raises(TokenizerUnavailableError, match="LLM_CLIENT_VOCABULARY_URL=off"):
        load_tokenizer()
    assert store.asked == []


def test_nothing_is_fetched_on_a_running_event_loop(store: Server) -> None:
    async def count() -> tuple[bool, int]:
        return tokenizer_for("gpt-5", "openai").exact, ModelProfile.get("gpt-5").count_tokens("hello world")

    exact, counted = asyncio.run(count())
    assert not exact
    assert counted == estimator.O200K.count("hello world")
    assert store.asked == []
    # A later plain call may.
    assert tokenizer_for("gpt-5", "openai").exact


def test_calls_and_windows_on_a_running_event_loop_fetch_nothing(store: Server) -> None:
    import llm_client
    from llm_client._core.conversation import Conversation
    from llm_client.testing import FakeAPI

    conversation = Conversation(max_tokens=200, messages=["hello world " * 20] * 20)

    async def ask(url: str) -> bool:
        provider = llm_client.OpenAIProvider(model="gpt-5.6-luna", base_url=url, api_key="k")
        agent = llm_client.Agent(provider, conversation=conversation)
        assert (await provider.complete("Hi")).ok
        assert (await agent.run("Hi")).ok
        await provider.close()
        return ModelProfile.get("gpt-5.6-luna").tokenizer.exact

    with FakeAPI() as api:
        assert not asyncio.run(ask(api.openai_url))
        assert len(api.last_request.body["messages"]) < 20  # the window had to count
    assert store.asked == []


def test_a_vocabulary_on_disk_is_read_on_a_running_event_loop(store: Server, tmp_path: Path) -> None:
    put(tmp_path / "cache" / "llm-client")

    async def exact() -> bool:
        return tokenizer_for("gpt-5", "openai").exact

    assert asyncio.run(exact())


def test_a_home_that_cannot_be_written_is_no_obstacle(store: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert load_tokenizer().exact


def test_many_threads_fetch_once(store: Server) -> None:
    store.answering.clear()
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(load_tokenizer().exact)) for _ in range(8)]
    for thread in threads:
        thread.start()
    store.answering.set()
    for thread in threads:
        thread.join()
    assert found == [True] * 8
    assert len(store.asked) == 1


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-5", "o200k_base"),
        ("gpt-5.6-sol", "o200k_base"),
        ("gpt-6.1-terra", "o200k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("openai/gpt-5", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("claude-opus-5", None),
        ("llama3:8b", None),
        ("o", None),
    ],
)
def test_which_model_has_which_vocabulary(model: str, vocabulary: str | None) -> None:
    assert tokenizer.vocabulary_of(model) == vocabulary


def test_other_models_borrow_a_vocabulary_and_say_so(store: Server) -> None:
    found = tokenizer_for("llama3:8b", "unknown")
    assert not found.exact
    assert found.count("hello world") == 2


def test_anthropic_is_always_estimated_and_nothing_is_fetched(store: Server) -> None:
    assert tokenizer_for("claude-opus-4-6", "anthropic") is estimator.CLAUDE
    assert tokenizer_for("claude-opus-4-8", "anthropic") is estimator.CLAUDE_NEW
    assert not ModelProfile.get("claude-opus-5").tokenizer.exact
    assert store.asked == []
    with pytest.raises(ValueError, match="no published vocabulary"):
        load_tokenizer("claude-opus-5")


def test_what_is_loaded_can_be_asked(store: Server) -> None:
    assert not tokenizer.is_loaded("gpt-5")
    load_tokenizer("gpt-5")
    assert tokenizer.is_loaded("gpt-5")
    assert tokenizer.is_loaded()
    assert not tokenizer.is_loaded("gpt-4")
    assert tokenizer.is_loaded("claude-opus-5")


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_a_fork_while_another_thread_loads_leaves_the_child_free() -> None:
    code = """
import os, sys, threading
os.environ["LLM_CLIENT_VOCABULARY_URL"] = "off"
from llm_client._core import tokenizer
held = threading.Event()
def hold():
    with tokenizer._lock:
        held.set()
        threading.Event().wait()
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    tokenizer.tokenizer_for("gpt-5", "openai").count("hello")
    os._exit(7)
_, status = os.waitpid(child, 0)
sys.exit(0 if os.waitstatus_to_exitcode(status) == 7 else 1)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=30)
