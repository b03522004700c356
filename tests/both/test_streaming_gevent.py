"""The blocking SSEAdapter under gevent, whose greenlets take the place of its reading thread."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import gevent
import llm_client.sync as face
from llm_client.testing import FakeAPI, Reply

with FakeAPI() as api:
    api.reply(Reply("on and on ", endless=True, chunk_delay=0.02))
    api.stall(after_events=2, reply="one two three")
    provider = face.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url)

    def read(mark):
        lines = face.SSEAdapter(heartbeat=0.1).transform(provider.stream("Hi"))
        for line in lines:
            if mark in line:
                break
        lines.close()

    for count, mark in enumerate(["token", "ping"], 1):
        gevent.joinall([gevent.spawn(read, mark)], raise_error=True)
        assert api.wait_for_hang_up(5, count=count).client_hung_up
    assert len(api.requests) == 2
print("both were hung up")
"""


def test_leaving_early_closes_the_upstream_request_under_gevent() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "both were hung up\n"
