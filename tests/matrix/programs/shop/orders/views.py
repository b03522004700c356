"""Views with an agent inside the request's transaction."""

import threading
from typing import Any

from django.db import transaction
from django.http import JsonResponse

from orders.assistant import assistant, told
from orders.models import Order


def _answer(agent: Any) -> JsonResponse:
    return JsonResponse({"told": told(agent), "thread": threading.get_ident()})


def order(request: Any, item: str) -> JsonResponse:
    Order.objects.create(item="of the view itself", thread=threading.get_ident())
    agent = assistant(item)
    agent.run("Order it.")
    return _answer(agent)


def order_in_stream(request: Any, item: str) -> JsonResponse:
    agent = assistant(item)
    with agent.stream("Order it.") as events:
        for _ in events:
            pass
    return _answer(agent)


def order_and_fail(request: Any, item: str) -> JsonResponse:
    agent = assistant(item)
    agent.run("Order it.")
    raise RuntimeError(f"after {told(agent)[0]}")


def order_and_take_back(request: Any, item: str) -> JsonResponse:
    agent = assistant(item)
    with transaction.atomic():
        agent.run("Order it.")
        transaction.set_rollback(True)
    return _answer(agent)
