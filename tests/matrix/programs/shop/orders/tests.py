"""The tests of a user's project, run by `manage.py test`."""

import json
import threading
import urllib.error
import urllib.request

from django.test import Client, LiveServerTestCase, TestCase, TransactionTestCase

from orders.assistant import assistant, list_orders, told
from orders.models import Order

YES = "ordered in a transaction: True"
SEES = '["hat"]'


class InATestCase(TestCase):
    """Django wraps each test in a transaction: what tools see and write is part of it."""

    def test_tools_see_what_the_test_wrote(self) -> None:
        Order.objects.create(item="before", thread=0)
        agent = assistant("hat")
        assert agent.run("Order it.").ok
        assert told(agent) == [YES, '["before","hat"]', '["before","hat"]']
        assert Order.objects.get(item="hat").thread == threading.get_ident()

    def test_nothing_is_left_of_another_test(self) -> None:
        assert list_orders() == []


class InARequest(TransactionTestCase):
    """Real commits and rollbacks."""

    def test_a_commit(self) -> None:
        answer = Client().get("/order/hat").json()
        assert answer["told"] == [YES, '["hat","of the view itself"]', '["hat","of the view itself"]']
        assert answer["thread"] == threading.get_ident()
        assert set(Order.objects.values_list("thread", flat=True)) == {threading.get_ident()}
        assert list_orders() == ["hat", "of the view itself"]

    def test_a_commit_of_a_stream(self) -> None:
        assert Client().get("/order-in-stream/hat").json()["told"] == [YES, SEES, SEES]
        assert Order.objects.get().thread == threading.get_ident()

    def test_a_view_that_fails_takes_back_what_its_tools_did(self) -> None:
        with self.assertRaisesMessage(RuntimeError, f"after {YES}"):
            Client().get("/order-and-fail/hat")
        assert list_orders() == []

    def test_a_block_that_is_rolled_back(self) -> None:
        assert Client().get("/order-and-take-back/hat").json()["told"] == [YES, SEES, SEES]
        assert list_orders() == []


class OverHTTP(LiveServerTestCase):
    """A server with threads: each request has its own connection to the file, and its own transaction."""

    def get(self, path: str) -> dict[str, object]:
        with urllib.request.urlopen(f"{self.live_server_url}{path}", timeout=60) as answer:
            read: dict[str, object] = json.load(answer)
        return read

    def test_commits_and_rollbacks(self) -> None:
        answer = self.get("/order/hat")
        assert answer["thread"] != threading.get_ident()
        assert set(Order.objects.values_list("thread", flat=True)) == {answer["thread"]}
        assert self.get("/order-and-take-back/coat")["told"] == [YES, *['["coat","hat","of the view itself"]'] * 2]
        with self.assertRaises(urllib.error.HTTPError) as failed, self.assertLogs("django.request", "ERROR"):  # noqa: PT027  # Django's own runner
            self.get("/order-and-fail/shoe")
        assert failed.exception.code == 500
        failed.exception.close()
        assert list_orders() == ["hat", "of the view itself"]
