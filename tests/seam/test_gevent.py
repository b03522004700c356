"""The blocking half under gevent, with everything patched."""

from __future__ import annotations

from support.processes import run_python

PATCH = "import gevent.monkey; gevent.monkey.patch_all()\n"


def program(body: str) -> str:
    import textwrap

    return PATCH + textwrap.dedent(body)


def test_async_tools_run_on_a_real_thread_and_greenlets_go_on_meanwhile() -> None:
    source = program("""
        import asyncio, gevent, time
        from llm_client._seam import _sync as seam
        ticks = []
        def tick():
            while True:
                ticks.append(running())
                gevent.sleep(0.001)
        def running():
            try: return asyncio.get_running_loop()
            except RuntimeError: return None
        ticker = gevent.spawn(tick)
        async def tool(n):
            await asyncio.sleep(0.2)
            return n + 1
        assert seam.call(tool, {"n": 1}, 5.0) == 2
        assert seam.call(tool, {"n": 2}, None) == 3
        assert len(ticks) > 5, ticks
        jobs = [gevent.spawn(seam.call, tool, {"n": n}, 5.0) for n in range(50)]
        began = time.monotonic()
        gevent.joinall(jobs)
        assert [job.value for job in jobs] == list(range(1, 51))
        assert time.monotonic() - began < 5         # they overlap
        assert set(ticks) == {None}                 # no greenlet saw a running loop
        ticker.kill()
        print("done")
    """)
    assert run_python(source, strict=False) == "done\n"


def test_async_tools_may_use_threads_and_the_network() -> None:
    source = program("""
        import asyncio, gevent, socket
        from llm_client._seam import _sync as seam
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        def serve():
            connection, _ = listener.accept()
            connection.sendall(connection.recv(10).upper())
            connection.close()
        gevent.spawn(serve)
        async def tool():
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
            writer.write(b"hello")
            answer = await reader.read()
            writer.close()
            return answer, await asyncio.to_thread(lambda: 5)
        print(seam.call(tool, {}, 10.0))
    """)
    assert run_python(source, strict=False) == "(b'HELLO', 5)\n"


def test_time_limits_gathering_and_shared_calls_work_in_greenlets() -> None:
    source = program("""
        import asyncio, gevent, logging, threading
        logging.disable()
        from llm_client._seam import _sync as seam
        never = threading.Event()
        async def forever(): await asyncio.sleep(60)
        for function, running in ((never.wait, True), (forever, False)):
            try: seam.call(function, {}, 0.05)
            except seam.CallTimeout as error: assert error.still_running is running
            else: raise AssertionError(function)
        def nap(): gevent.sleep(0.01); return 1
        assert seam.gather([nap] * 20) == [1] * 20
        assert sorted(seam.pool(range(10), lambda n: n, 3)) == [(n, n) for n in range(10)]
        assert dict(seam.call_each([(nap, {}, 5.0), (never.wait, {"timeout": 0.01}, 5.0)])) == {0: 1, 1: False}
        asked = []
        def upstream(): asked.append(1); gevent.sleep(0.05); return "answer"
        jobs = [gevent.spawn(seam.shared_call, "key", upstream) for _ in range(10)]
        gevent.joinall(jobs)
        assert len(asked) == 1 and sum(job.value[1] for job in jobs) == 1, jobs
        lock = seam.Lock()
        with lock: assert gevent.spawn(lock.acquire, 0.01).get() is False
        print("done")
    """)
    assert run_python(source, strict=False) == "done\n"


def test_wake_ups_from_the_loop_thread_are_never_lost() -> None:
    source = program("""
        import asyncio, gevent
        from llm_client._seam import _sync as seam
        async def at_once(n): return n
        def many(base):
            for n in range(100):
                assert seam.call(at_once, {"n": base + n}, 20.0) == base + n
        jobs = [gevent.spawn(many, 1000 * n) for n in range(10)]
        gevent.joinall(jobs, raise_error=True)
        print("done")
    """)
    assert run_python(source, strict=False) == "done\n"
