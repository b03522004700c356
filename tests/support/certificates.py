"""A certificate authority for tests, and server contexts with its certificates."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

import trustme


@lru_cache(maxsize=1)
def authority() -> trustme.CA:
    return trustme.CA()


@lru_cache(maxsize=8)
def server_context(*names: str) -> ssl.SSLContext:
    """A server's context with a certificate for these names or addresses, signed by our authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*names).configure_cert(context)
    return context


def write_authority(directory: Path) -> str:
    """Write the authority's own certificate as SSL_CERT_FILE wants it; return the path."""
    path = directory / "authority.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)
