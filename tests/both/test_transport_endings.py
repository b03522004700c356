"""Programs that never close anything: they end without a warning, a message or a delay. And importing costs little."""

from __future__ import annotations

import pytest

from support.processes import run_python

COMMON = """
    import asyncio, gc, os, sys, threading
    from llm_client._core.http import HttpRequest
    from support.fault_server import FaultServer, always

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        os.environ.pop(name, None), os.environ.pop(name.upper(), None)

    def half(peer):
        peer.request()
        peer.begin()
        peer.chunk(b"one")
        peer.wait_closed()

    def post(url):
        return HttpRequest("POST", url + "/v1", {"content-type": "application/json"}, b"{}")
"""

ENDINGS = {
    "async, nothing closed": """
    from llm_client._seam import _async as seam
    async def main(url):
        transport = seam.open_transport(url)
        print((await transport.send(post(url))).status)
    with FaultServer(always()) as server:
        asyncio.run(main(server.url))
    """,
    "async, transport in a global, two loops": """
    from llm_client._seam import _async as seam
    server = FaultServer(always())
    transport = seam.open_transport(server.url)
    async def main():
        await transport.send(post(server.url))
    asyncio.run(main())
    asyncio.run(main())
    server.stop()
    print(200)
    """,
    "async, stream half read": """
    from llm_client._seam import _async as seam
    async def main(url):
        transport = seam.open_transport(url)
        stream = await transport.stream(post(url))
        print(200 if await stream.read() == b"one" else 0)
    with FaultServer(half) as server:
        asyncio.run(main(server.url))
    """,
    "async, task cancelled by the end of the loop": """
    from llm_client._seam import _async as seam
    def stall(peer):
        peer.request()
        asked.set()
        peer.wait_closed()
    asked = threading.Event()
    async def main(url):
        transport = seam.open_transport(url)
        task = asyncio.create_task(transport.send(post(url)))
        while not asked.is_set():
            await asyncio.sleep(0.01)
        print(200)
    with FaultServer(stall) as server:
        asyncio.run(main(server.url))
    """,
    "blocking, nothing closed": """
    from llm_client._seam import _sync as seam
    server = FaultServer(always())
    transport = seam.open_transport(server.url)
    print(transport.send(post(server.url)).status)
    """,
    "blocking, stream half read": """
    from llm_client._seam import _sync as seam
    server = FaultServer(half)
    transport = seam.open_transport(server.url)
    stream = transport.stream(post(server.url))
    print(200 if stream.read() == b"one" else 0)
    """,
    "blocking, dropped": """
    from llm_client._seam import _sync as seam
    with FaultServer(always()) as server:
        for _ in range(5):
            transport = seam.open_transport(server.url)
            status = transport.send(post(server.url)).status
            del transport
            gc.collect()
    print(status)
    """,
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_ending_without_closing(ending: str):
    assert run_python(COMMON + ending, timeout=20).strip() == "200"


def test_a_loop_that_is_never_closed():
    # asyncio itself warns about such a loop in development mode, so this one runs with Python's defaults.
    program = """
    from llm_client._seam import _async as seam
    server = FaultServer(always())
    transport = seam.open_transport(server.url)
    loop = asyncio.new_event_loop()
    print(loop.run_until_complete(transport.send(post(server.url))).status)
    """
    assert run_python(COMMON + program, timeout=20, strict=False).strip() == "200"


def test_a_fork_within_a_running_loop():
    program = """
    from llm_client._seam import _async as seam
    server = FaultServer(always())
    transport = seam.open_transport(server.url)
    async def once():
        return (await transport.send(post(server.url))).status
    async def main():
        await once()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                thread_result = []
                def work():
                    thread_result.append(asyncio.run(once()))
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
                gc.collect()
                code = 0 if thread_result == [200] else 2
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        status = await once()
        return status if code == 0 and server.connections == 2 else (code, server.connections)
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    print(asyncio.run(main()))
    server.stop()
    """
    assert run_python(COMMON + program, timeout=20).strip() == "200"


@pytest.mark.parametrize("half", ["_async", "_sync"])
def test_importing_a_half_of_the_seam_imports_no_engine(half: str):
    program = f"""
    import sys
    from llm_client._seam import {half} as seam
    assert callable(seam.open_transport)
    print([name for name in ("aiohttp", "httpx", "httpcore", "ssl", "certifi") if name in sys.modules])
    """
    loaded = run_python(program)
    assert "aiohttp" not in loaded
    assert "http" not in loaded.replace("aiohttp", "")


@pytest.mark.parametrize(("half", "other"), [("_async", "httpx"), ("_sync", "aiohttp")])
def test_a_face_imports_its_own_engine_only(half: str, other: str):
    program = f"""
    import sys
    from llm_client._seam import {half} as seam
    transport = seam.open_transport("http://127.0.0.1:1")
    print({other!r} in sys.modules)
    """
    assert run_python(program).strip() == "False"
