"""Tools that never end hold up nobody: the run goes on without them, and so does the end of the process."""

from __future__ import annotations

import pytest

from support.processes import run_python

PROGRAM = """
import asyncio, inspect, threading
import {face} as face
from {face}.testing import ScriptedProvider
from llm_client import AgentConfig

def plain():
    threading.Event().wait(1000)

async def stubborn():
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            threading.Event().wait(0.01)

calls = [("tool", {{}})] * {calls}
agent = face.Agent(
    ScriptedProvider([calls, "done"]),
    tools=[face.tool({tool}, name="tool")],
    config=AgentConfig(tool_timeout=0.05),
)
result = agent.run("Go")
if inspect.isawaitable(result):
    result = asyncio.run(result)
print(result.content, {{done.error for done in result.turns[0].tool_results}})
"""


@pytest.mark.parametrize("calls", [1, 3])
@pytest.mark.parametrize(
    # An async tool that refuses to end holds up `asyncio.run`, as any such task would.
    ("face", "tool"),
    [("llm_client", "plain"), ("llm_client.sync", "plain"), ("llm_client.sync", "stubborn")],
)
def test_the_process_ends(face: str, tool: str, calls: int) -> None:
    printed = run_python(PROGRAM.format(face=face, tool=tool, calls=calls), strict=False)
    assert printed.startswith("done {'no answer within 0.05 s")
    if tool == "plain":  # the other may not have begun by then, and is then not begun at all
        assert printed == "done {'no answer within 0.05 s; the call may still be running'}\n"
