"""One TLS context per process, made when the first https address is met."""

from __future__ import annotations

import os
import ssl

_contexts: dict[tuple[str | None, str | None], ssl.SSLContext] = {}


def client_context() -> ssl.SSLContext:
    """Return the shared context: authorities from SSL_CERT_FILE, else SSL_CERT_DIR, else certifi.

    Raises:
        ValueError: The variable names a file or directory that cannot be used.
    """
    cafile, capath = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    context = _contexts.get((cafile, capath))
    if context is None:
        # Two threads may both get here: then one of two equal contexts is dropped, which is cheaper than a lock.
        context = _contexts.setdefault((cafile, capath), _make(cafile, capath))
    return context


def _make(cafile: str | None, capath: str | None) -> ssl.SSLContext:
    if cafile is None and capath is None:
        import certifi

        context = ssl.create_default_context(cafile=certifi.where())
    else:
        variable, value = ("SSL_CERT_FILE", cafile) if cafile is not None else ("SSL_CERT_DIR", capath)
        try:
            context = ssl.create_default_context(cafile=cafile, capath=None if cafile is not None else capath)
        except OSError as error:
            message = f"the environment variable {variable} is {value!r}, which cannot be used: {error}"
            raise ValueError(message) from None
    context.set_alpn_protocols(["http/1.1"])
    return context
