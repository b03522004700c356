"""The shop's agent: its tools work with the database, inside the transaction of whoever runs it."""

import threading
from typing import Any

from django.db import connection

import llm_client.sync
from llm_client import AgentConfig
from llm_client.sync.testing import ScriptedProvider
from orders.models import Order


def place_order(item: str) -> str:
    """Order something."""
    Order.objects.create(item=item, thread=threading.get_ident())
    return f"ordered in a transaction: {connection.in_atomic_block}"


def list_orders() -> list[str]:
    """What was ordered, in whatever transaction."""
    return sorted(Order.objects.values_list("item", flat=True))


def assistant(item: str) -> Any:
    """An agent whose model orders an item and then looks at all orders."""
    script = [[("place_order", {"item": item}), ("list_orders", {})], [("list_orders", {})], "It is ordered."]
    return llm_client.sync.Agent(
        ScriptedProvider(script),
        tools=[place_order, list_orders],
        config=AgentConfig(tool_timeout=None, parallel_tool_execution=False),
    )


def told(agent: Any) -> list[str]:
    """What the tools said."""
    return [message.text for message in agent.conversation if message.role.value == "tool"]
