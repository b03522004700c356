"""A stand-in for a Qdrant server on 127.0.0.1: the HTTP paths that the cache uses, over the client's own engine.

QDRANT_URL names a true server to use instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextlib.contextmanager
def start_qdrant(api_key: str | None = None) -> Iterator[str]:
    """Run the server for the length of a `with` block; yields its URL."""
    given = os.environ.get("LLM_CLIENT_TEST_QDRANT_URL")
    if given:
        yield given
        return
    from qdrant_client import QdrantClient

    engine, lock = QdrantClient(":memory:"), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            if api_key is not None and self.headers.get("api-key") != api_key:
                self._answer(401, {"status": {"error": "Invalid API key or JWT"}})
                return
            try:
                with lock:
                    result = _handle(engine, self.command, self.path.partition("?")[0], body)
            except LookupError as error:
                self._answer(404, {"status": {"error": str(error)}})
            except ValueError as error:
                text = str(error)
                status = 404 if "not found" in text else 409 if "already exists" in text else 400
                self._answer(status, {"status": {"error": text}})
            else:
                self._answer(200, {"status": "ok", "time": 0.0, "result": result})

        def _answer(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = _serve  # the names that http.server looks for

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
        engine.close()


def _handle(engine: Any, method: str, path: str, body: dict[str, Any]) -> Any:
    from qdrant_client import models

    if (method, path) == ("GET", "/collections"):
        return {"collections": [{"name": item.name} for item in engine.get_collections().collections]}
    found = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
    if found is None:
        raise LookupError(f"no such path: {path}")
    name, rest = found[1], found[2] or ""
    updated = {"operation_id": 0, "status": "completed"}
    if (method, rest) == ("GET", "/exists"):
        return {"exists": engine.collection_exists(name)}
    if (method, rest) == ("PUT", ""):
        wanted = models.CreateCollection(**body)
        return engine.create_collection(name, vectors_config=wanted.vectors or {})
    if (method, rest) == ("PUT", "/points"):
        engine.upsert(name, points=[models.PointStruct(**point) for point in body["points"]])
        return updated
    if (method, rest) == ("POST", "/points"):
        return _plain(engine.retrieve(name, ids=body["ids"], with_payload=True))
    if (method, rest) == ("POST", "/points/query"):
        asked = models.QueryRequest(**body)
        query = body["query"]["nearest"] if isinstance(body["query"], dict) else body["query"]
        answer = engine.query_points(
            name, query=query, query_filter=asked.filter, limit=asked.limit or 10,
            score_threshold=asked.score_threshold, with_payload=True,
        )  # fmt: skip
        return {"points": _plain(answer.points)}
    if (method, rest) == ("POST", "/points/count"):
        return {"count": engine.count(name, count_filter=models.CountRequest(**body).filter, exact=True).count}
    if (method, rest) == ("POST", "/points/delete"):
        kind = models.PointIdsList if "points" in body else models.FilterSelector
        engine.delete(name, points_selector=kind(**body))
        return updated
    raise LookupError(f"no such path: {method} {path}")


def _plain(points: Any) -> list[Any]:
    return [{"version": 0, **point.model_dump(mode="json", exclude_none=True)} for point in points]
