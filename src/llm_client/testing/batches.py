"""The vendors' Batch APIs, as `FakeAPI` serves them: files and batches of OpenAI, message batches of Anthropic."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs

from .._core import jsons
from ._native import allocate_lock
from .journal import RecordedRequest
from .rendering import EPOCH
from .replies import Failure
from .routes import route

Fate: TypeAlias = Literal["answered", "expired", "canceled", "missing"]
Ask: TypeAlias = Callable[[str, Any, RecordedRequest], "tuple[int, Any, RecordedRequest]"]

BATCH_ENDPOINTS = ("files", "batches", "message_batches")

_ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings")
_MESSAGES = "/v1/messages"
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DAY = 86_400
_EXPIRED = "This request could not be executed before the completion window expired."
_CANCELED = "This request was not executed because the batch was cancelled."


@dataclass(slots=True)
class Page:
    """What a Batch API answers with status 200: JSON, or the bytes of a file."""

    content: dict[str, Any] | bytes


@dataclass(slots=True)
class _Batch:
    number: int
    vendor: Literal["openai", "anthropic"]
    lines: list[tuple[str, str, Any]]
    made_by: RecordedRequest
    details: dict[str, Any] = field(default_factory=dict)
    looks: int = 0
    state: Literal["running", "canceling", "ending", "ended"] = "running"
    word: str = ""
    canceled: bool = False
    results: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{'batch' if self.vendor == 'openai' else 'msgbatch'}_{self.number:08d}"


class Batches:
    """The batches of a fake API; `api.batches`.

    Each request of a batch is answered as a live one would be: from `on_request`, the queue of scripted answers,
    `by_default` or the built-in agent; scripted failures become lines with errors. A batch is answered when it ends,
    and its results come in another order than its requests.

        api.batches.expire(2)                 # the next two requests expire
        api.batches.on_item(lambda custom_id, request: "missing" if custom_id == "x" else None)
        api.fail(500, on="batches")           # the next request to /v1/batches fails
        api.hang_up(on="message_batches")     # the next one is carried out, but its answer is lost

    Args:
        ask: Answers one request.
        changed: Called when something has changed.
    """

    def __init__(self, ask: Ask, changed: Callable[[], None]) -> None:
        self.polls = 1
        """How often a batch is looked at until it ends."""
        self._ask = ask
        self._changed = changed
        self._lock = allocate_lock()
        self._files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self._batches: list[_Batch] = []
        self._answered: list[RecordedRequest] = []
        self._held = False
        self._expire = 0
        self._lose = 0
        self._refusals: list[dict[str, Any]] = []
        self._on_item: Callable[[str, RecordedRequest], Fate | None] | None = None

    # -- what a test says and asks ------------------------------------------------------------------------------

    def hold(self) -> None:
        """Let no batch end, from now until `release`."""
        self._held = True

    def release(self) -> None:
        """Let batches end again."""
        self._held = False

    def expire(self, count: int = 1) -> None:
        """Let the next requests of batches expire instead of answering them."""
        self._expire += count

    def lose(self, count: int = 1) -> None:
        """Answer the next requests of batches, which are paid for, but leave them out of the results."""
        self._lose += count

    def refuse(self, message: str, *, code: str = "invalid_request", line: int | None = None) -> None:
        """Let the next batch of OpenAI's fail when it is looked through, before any request is answered.

        Args:
            message: The vendor's words.
            code: The vendor's code, such as "token_limit_exceeded".
            line: Which line of the file it is about, from 1.
        """
        self._refusals.append({"code": code, "message": message, "param": None, "line": line})

    def on_item(self, handler: Callable[[str, RecordedRequest], Fate | None] | None) -> None:
        """Ask a function what becomes of each request of a batch.

        Args:
            handler: Gets the custom_id and the request; returns "answered", "expired", "canceled", "missing", or None
                for what happens otherwise. None forgets the function.
        """
        self._on_item = handler

    @property
    def answered(self) -> list[RecordedRequest]:
        """The requests of batches that were answered, and so have to be paid for, in order."""
        with self._lock:
            return list(self._answered)

    @property
    def ids(self) -> list[str]:
        """The batches that were made, in order."""
        with self._lock:
            return [batch.id for batch in self._batches]

    @property
    def sizes(self) -> list[int]:
        """How many requests each of them has."""
        with self._lock:
            return [len(batch.lines) for batch in self._batches]

    # -- the endpoints ------------------------------------------------------------------------------------------

    def serve(self, request: RecordedRequest) -> Page | Failure:
        """Carry out one request to these endpoints."""
        place, _, query = request.path.partition("?")
        parts = [part for part in place.split("/") if part]
        values = {name: each[-1] for name, each in parse_qs(query).items()}
        if request.endpoint == "files":
            return self._serve_file(request, parts[parts.index("files") + 1 :])
        rest = parts[parts.index("batches") + 1 :]
        anthropic = request.endpoint == "message_batches"
        if not rest:
            if request.method == "POST":
                return self._create_messages(request) if anthropic else self._create(request)
            return self._list("anthropic" if anthropic else "openai", values)
        batch = self._find(rest[0], "anthropic" if anthropic else "openai")
        if batch is None:
            return Failure(404, f"No batch found with id '{rest[0]}'.")
        if len(rest) == 1 and request.method == "GET":
            self._advance(batch)
            return Page(self._describe(batch))
        if rest[1:] == ["cancel"] and request.method == "POST":
            return self._cancel(batch)
        if rest[1:] == ["results"] and anthropic and request.method == "GET":
            if batch.state != "ended":
                return Failure(404, f"Batch {batch.id} has not ended: it has no results yet.")
            return Page(_lines(batch.results))
        return Failure(404, f"Invalid URL ({request.method} {place})")

    def _serve_file(self, request: RecordedRequest, rest: list[str]) -> Page | Failure:
        if not rest and request.method == "POST":
            form = _read_form(request)
            if form is None or "file" not in form:
                return Failure(400, "The body is no multipart form with a file.", param="file")
            if form.get("purpose") != b"batch":
                return Failure(400, "FakeAPI takes files with purpose 'batch' only.", param="purpose")
            return Page(self._store(form["file"], "batch"))
        found = self._files.get(rest[0]) if rest else None
        if found is None:
            return Failure(404, f"No such File object: {rest[0] if rest else ''}")
        if rest[1:] == ["content"] and request.method == "GET":
            return Page(found[1])
        if len(rest) == 1 and request.method == "GET":
            return Page(found[0])
        return Failure(404, f"Invalid URL ({request.method} {request.path})")

    def _store(self, content: bytes, purpose: str) -> dict[str, Any]:
        with self._lock:
            name = f"file-{len(self._files) + 1:08d}"
            described = {
                "id": name, "object": "file", "bytes": len(content), "created_at": EPOCH + len(self._files),
                "filename": f"{purpose}.jsonl", "purpose": purpose, "status": "processed",
            }  # fmt: skip
            self._files[name] = (described, content)
        return described

    def _create(self, request: RecordedRequest) -> Page | Failure:
        body = request.body if isinstance(request.body, dict) else {}
        stored = self._files.get(body.get("input_file_id", ""))
        if stored is None:
            return Failure(400, "No such File object.", param="input_file_id")
        if body.get("endpoint") not in _ENDPOINTS:
            return Failure(400, f"endpoint must be one of {', '.join(_ENDPOINTS)}.", param="endpoint")
        if body.get("completion_window") != "24h":
            return Failure(400, "completion_window must be '24h'.", param="completion_window")
        lines, problems = _read_lines(stored[1], body["endpoint"])
        with self._lock:
            if self._refusals:
                problems.append(self._refusals.pop(0))
            details = {name: body.get(name) for name in ("input_file_id", "endpoint", "metadata")}
            batch = _Batch(len(self._batches) + 1, "openai", lines, request, details, problems=problems)
            self._batches.append(batch)
        self._changed()
        return Page(self._describe(batch))

    def _create_messages(self, request: RecordedRequest) -> Page | Failure:
        body = request.body if isinstance(request.body, dict) else {}
        given = body.get("requests")
        if not isinstance(given, list) or not given:
            return Failure(400, "requests: Input should be a list with at least one request")
        lines, seen = [], set()
        for number, each in enumerate(given):
            name, params = (each.get("custom_id"), each.get("params")) if isinstance(each, dict) else (None, None)
            if not isinstance(name, str) or not _CUSTOM_ID.fullmatch(name):
                return Failure(400, f"requests.{number}.custom_id: String should match pattern '{_CUSTOM_ID.pattern}'")
            if not isinstance(params, dict):
                return Failure(400, f"requests.{number}.params: Field required")
            if name in seen:
                return Failure(400, f"requests.{number}.custom_id: Duplicate custom_id '{name}'")
            seen.add(name)
            lines.append((name, _MESSAGES, params))
        with self._lock:
            batch = _Batch(len(self._batches) + 1, "anthropic", lines, request)
            self._batches.append(batch)
        self._changed()
        return Page(self._describe(batch))

    def _cancel(self, batch: _Batch) -> Page | Failure:
        with self._lock:
            if batch.state in ("ending", "ended"):
                return Failure(409 if batch.vendor == "openai" else 400, f"Batch {batch.id} has ended already.")
            batch.state, batch.canceled = "canceling", True
        return Page(self._describe(batch))

    def _list(self, vendor: str, values: dict[str, str]) -> Page:
        with self._lock:
            found = [batch for batch in reversed(self._batches) if batch.vendor == vendor]
        limit = int(values.get("limit", "20"))
        names = [batch.id for batch in found]
        after = values.get("after") or values.get("after_id")
        before = values.get("before_id")
        if after in names:
            found = found[names.index(after) + 1 :]
        more = len(found) > limit
        if before in names:
            # The page that stands directly before.
            newer = found[: names.index(before)]
            found, more = newer[-limit:], len(newer) > limit
        data = [self._describe(batch) for batch in found[:limit]]
        ids = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
        return Page({"object": "list", "data": data, "has_more": more, **ids})

    # -- a batch's life -----------------------------------------------------------------------------------------

    def _find(self, name: str, vendor: str) -> _Batch | None:
        with self._lock:
            return next((each for each in self._batches if each.id == name and each.vendor == vendor), None)

    def _advance(self, batch: _Batch) -> None:
        with self._lock:
            batch.looks += 1
            if batch.state in ("ending", "ended") or self._held or batch.looks < self.polls:
                return
            batch.state = "ending"
        if batch.problems:
            batch.word = "failed"
        else:
            entries = [self._end(batch, custom_id, path, body) for custom_id, path, body in batch.lines]
            fates = {fate for fate, _, _ in entries}
            batch.word = "cancelled" if batch.canceled else "expired" if "expired" in fates else "completed"
            for fate, good, line in reversed(entries):
                batch.counts[fate] = batch.counts.get(fate, 0) + 1
                if line is not None:
                    (batch.results if good or batch.vendor == "anthropic" else batch.errors).append(line)
            if batch.vendor == "openai":
                for kind, lines in (("output_file_id", batch.results), ("error_file_id", batch.errors)):
                    if lines:
                        batch.details[kind] = self._store(_lines(lines), "batch_output")["id"]
        with self._lock:
            batch.state = "ended"
        self._changed()

    def _end(self, batch: _Batch, custom_id: str, path: str, body: Any) -> tuple[str, bool, dict[str, Any] | None]:
        fate = self._fate(batch, custom_id, path, body)
        if fate == "canceled":
            return fate, False, _ended_without(batch, custom_id, "canceled", "batch_cancelled", _CANCELED)
        if fate == "expired":
            return fate, False, _ended_without(batch, custom_id, "expired", "batch_expired", _EXPIRED)
        status, answer, item = self._ask(path, body, batch.made_by)
        good = status < 300
        if good:
            with self._lock:
                self._answered.append(item)
        name = "succeeded" if good else "errored"
        if fate == "missing":
            return name, good, None
        if batch.vendor == "anthropic":
            result = {"type": name, "message": answer} if good else {"type": name, "error": answer}
            return name, good, {"custom_id": custom_id, "result": result}
        response = {"status_code": status, "request_id": f"req_{item.number:08d}", "body": answer}
        line = {"id": f"batch_req_{item.number:08d}", "custom_id": custom_id, "response": response, "error": None}
        return name, good, line

    def _fate(self, batch: _Batch, custom_id: str, path: str, body: Any) -> Fate:
        if batch.canceled:
            return "canceled"
        if self._on_item is not None:
            chosen = self._on_item(custom_id, item_request(0, path, body, batch.made_by))
            if chosen is not None:
                return chosen
        with self._lock:
            if self._expire:
                self._expire -= 1
                return "expired"
            if self._lose:
                self._lose -= 1
                return "missing"
        return "answered"

    def _describe(self, batch: _Batch) -> dict[str, Any]:
        created = EPOCH + batch.number
        total, counts = len(batch.lines), batch.counts
        done = batch.state == "ended"
        if batch.vendor == "anthropic":
            word = "ended" if done else "canceling" if batch.canceled else "in_progress"
            numbers = {name: counts.get(name, 0) for name in ("succeeded", "errored", "canceled", "expired")}
            host = batch.made_by.headers.get("host", "127.0.0.1")
            return {
                "id": batch.id, "type": "message_batch", "processing_status": word,
                "request_counts": {"processing": 0 if done else total, **numbers},
                "created_at": _date(created), "expires_at": _date(created + _DAY),
                "ended_at": _date(created + 1) if done else None, "archived_at": None,
                "cancel_initiated_at": _date(created + 1) if batch.canceled else None,
                "results_url": f"http://{host}/v1/messages/batches/{batch.id}/results" if done else None,
            }  # fmt: skip
        word = (
            batch.word if done else "cancelling" if batch.canceled else "in_progress" if batch.looks else "validating"
        )
        good = counts.get("succeeded", 0)
        return {
            "id": batch.id, "object": "batch", "status": word, "completion_window": "24h",
            "created_at": created, "expires_at": created + _DAY,
            "output_file_id": None, "error_file_id": None, **batch.details,
            "errors": {"object": "list", "data": batch.problems} if done and batch.problems else None,
            "request_counts": {
                "total": total, "completed": good, "failed": total - good if done and not batch.problems else 0,
            },
        }  # fmt: skip


def item_request(number: int, path: str, body: Any, made_by: RecordedRequest) -> RecordedRequest:
    """One request of a batch as if it had come alone, with the headers of the one that made the batch."""
    raw = jsons.dumps(body)
    headers = {**made_by.headers, "content-type": "application/json"}
    return RecordedRequest(number, made_by.connection, route(path), "POST", path, headers, body, raw, made_by.started)


def _ended_without(batch: _Batch, custom_id: str, kind: str, code: str, message: str) -> dict[str, Any] | None:
    if batch.vendor == "anthropic":
        return {"custom_id": custom_id, "result": {"type": kind}}
    if kind == "canceled":
        return None  # OpenAI's files of a cancelled batch hold what was answered, and no word of the rest
    error = {"code": code, "message": message}
    return {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": None, "error": error}


def _read_form(request: RecordedRequest) -> dict[str, bytes] | None:
    found = re.search(r'boundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if found is None:
        return None
    form = {}
    for part in (b"\r\n" + request.raw).split(b"\r\n--" + found[1].encode("latin-1"))[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name is not None:
            form[name[1].decode("latin-1")] = content
    return form


def _read_lines(data: bytes, endpoint: str) -> tuple[list[tuple[str, str, Any]], list[dict[str, Any]]]:
    lines: list[tuple[str, str, Any]] = []
    problems: list[dict[str, Any]] = []
    seen = set()
    for number, line in enumerate(data.rstrip(b"\n").split(b"\n"), 1):
        try:
            value = jsons.loads(line)
        except ValueError:
            problems.append(_problem("invalid_json_line", "This line is not parseable as valid JSON.", number))
            continue
        name = value.get("custom_id") if isinstance(value, dict) else None
        if not isinstance(name, str) or value.get("method") != "POST" or not isinstance(value.get("body"), dict):
            problems.append(_problem("missing_required_parameter", "A line needs custom_id, method and body.", number))
        elif value.get("url") != endpoint:
            problems.append(_problem("mismatched_url", f"The url is not the batch's endpoint {endpoint}.", number))
        elif name in seen:
            problems.append(_problem("duplicate_custom_id", f"The custom_id '{name}' comes twice.", number))
        else:
            seen.add(name)
            lines.append((name, endpoint, value["body"]))
    return lines, problems


def _problem(code: str, message: str, line: int) -> dict[str, Any]:
    return {"code": code, "message": message, "param": None, "line": line}


def _lines(values: list[dict[str, Any]]) -> bytes:
    return b"".join(jsons.dumps(value) + b"\n" for value in values)


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
