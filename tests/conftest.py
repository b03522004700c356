"""What every test gets: a clean environment, and servers to those that ask for one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from llm_client._core import breaker, limit_learning, retry
from llm_client.testing import FakeAPI
from support.servers import start_postgres, start_redis

_SETTINGS = ("OPENAI_", "ANTHROPIC_", "PG_DSN", "REDIS_URL", "QDRANT_", "PUSHER_", "LLM_CLIENT_DISABLE_DOTENV")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


def _clean_environment() -> None:
    for name in list(os.environ):
        if name.startswith(_SETTINGS) or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ["LLM_CLIENT_DISABLE_DOTENV"] = "1"
    os.environ["LLM_CLIENT_VOCABULARY_URL"] = "off"  # tests reach nothing beyond the loopback


# No deadlines: a busy machine is no fault. With CI set the examples are the same in every run, so that a commit is
# judged and not the day's luck; everywhere else each run looks at new ones.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("suite")

# Who starts the tests in the background may leave Ctrl-C ignored, and programs inherit that; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

_clean_environment()  # before any test module is imported: some settings are read at import


@pytest.fixture(autouse=True)
def _nothing_is_known_of_any_server() -> None:
    """Ports come again: what an earlier test's server did is not held against a new one on its port."""
    for known in (breaker._breakers, retry._budgets, limit_learning._shared):
        known.clear()


@pytest.fixture(scope="session")
def pg_dsn() -> Iterator[str]:
    """A PostgreSQL server of this test process, empty at its start."""
    with start_postgres() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Valkey or Redis server of this test process, empty at its start."""
    with start_redis() as url:
        yield url


@pytest.fixture
def api() -> Iterator[FakeAPI]:
    """A fake API that answers only what the test scripted, and must be asked for all of it."""
    with FakeAPI(strict=True) as running:
        yield running
