"""Clients of real servers that nobody closes: no warning at the end of a loop, a process or a forked child."""

from __future__ import annotations

import pytest

from support.processes import run_python

CLIENTS = {
    "postgres": (
        "seam.pg_pool({pg!r})",
        "async with client.connection() as c: await c.execute('SELECT 1')",
        "with client.connection() as c: c.execute('SELECT 1')",
    ),
    "redis": ("seam.redis_from_url({redis!r})", "await client.ping()", "client.ping()"),
    "qdrant": ("seam.qdrant_client(':memory:')", "await client.get_collections()", "client.get_collections()"),
}


@pytest.mark.parametrize("ending", ["pass", "del owner, client; gc.collect()", "raise SystemExit(0)"])
@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_left_open_on_a_loop_leaves_no_warning(kind: str, ending: str, pg_dsn: str, redis_url: str) -> None:
    make, use, _ = CLIENTS[kind]
    program = f"""
        import asyncio, gc
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # what the packages themselves warn about while being imported
            import psycopg_pool, redis.asyncio, qdrant_client
        from llm_client._seam import _async as seam
        async def main():
            owner = seam.per_loop(lambda: {make.format(pg=pg_dsn, redis=redis_url)})
            client = owner.get()
            {use}
            {ending}
        for _ in range(2):
            try: asyncio.run(main())
            except SystemExit: pass
        gc.collect()
        print("done")
    """
    assert run_python(program) == "done\n"


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_blocking_client_left_open_leaves_no_warning_not_even_in_a_forked_child(
    kind: str, pg_dsn: str, redis_url: str
) -> None:
    make, _, use = CLIENTS[kind]
    program = f"""
        import os, sys, warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import psycopg_pool, redis, qdrant_client
        warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork.*", category=DeprecationWarning)
        from llm_client._seam import _sync as seam
        owner = seam.per_loop(lambda: {make.format(pg=pg_dsn, redis=redis_url)})
        client = owner.get()
        {use}
        child = os.fork()
        if child == 0:
            assert owner.peek() is None
            client = owner.get()
            {use}
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert owner.get() is client
        {use}           # the connection survived the child's end
        print("done")
    """
    assert run_python(program) == "done\n"
