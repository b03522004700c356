"""The estimate of tokens: near on all kinds of text, quick and harmless on hostile ones."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core import estimator

# (text, tokens by o200k_base, tokens by cl100k_base), counted with tiktoken 0.14.
TEXTS = {
    "English": (
        "Our team moved to the new office last week. The boxes are still everywhere, but the coffee machine works, and "
        "that is what matters most in the morning. Please remember to bring your badge, because the side entrance "
        "stays locked until nine o'clock.",
        50,
        50,
    ),
    "Python": (
        'def total(prices: list[float], *, tax: float = 0.19) -> float:\n    """Sum of the prices, with tax."""\n'
        "    subtotal = sum(price for price in prices if price > 0)\n    return round(subtotal * (1 + tax), 2)\n\n\n"
        "class OrderLine:\n    def __init__(self, product_id: int, quantity: int) -> None:\n"
        "        self.product_id = product_id\n        self.quantity = quantity\n",
        98,
        97,
    ),
    "JSON": (
        '{"orderId": 48213, "customer": {"name": "Maria Keller", "email": "maria@example.org"}, "lines": [{"sku": '
        '"AB-1200", "quantity": 2, "price": 19.9}, {"sku": "CX-77", "quantity": 1, "price": 249.0}], "paid": true, '
        '"note": null}',
        85,
        84,
    ),
    "Chinese": (
        "我们上周搬进了新的办公室。箱子还堆得到处都是，不过咖啡机已经可以用了，早上这才是最重要的。请记得带上门卡，因为侧门九点之前一直锁着。",
        52,
        80,
    ),
    "Japanese": (
        "先週、私たちは新しいオフィスに引っ越しました。箱はまだあちこちに積まれていますが、コーヒーメーカーは動いています。"
        "朝はそれが一番大切です。入館証を忘れずに持ってきてください。",
        66,
        84,
    ),
    "Korean": (
        "우리는 지난주에 새 사무실로 이사했습니다. 상자가 아직 여기저기 쌓여 있지만 커피 머신은 작동합니다. "
        "아침에는 그것이 가장 중요합니다. 출입증을 잊지 말고 가져오세요.",
        54,
        85,
    ),
    "Russian": (
        "На прошлой неделе мы переехали в новый офис. Коробки ещё стоят повсюду, но кофемашина работает, а утром это "
        "самое важное. Пожалуйста, не забудьте пропуск: боковой вход закрыт до девяти часов.",
        56,
        95,
    ),
    "German": (
        "Letzte Woche sind wir in das neue Büro umgezogen. Die Kisten stehen noch überall herum, aber die "
        "Kaffeemaschine läuft, und das ist morgens das Wichtigste. Bitte denkt an euren Ausweis, denn der "
        "Seiteneingang bleibt bis neun Uhr geschlossen.",
        55,
        68,
    ),
    "emoji": ("Party time 🎉🎉🥳 see you at eight! 🍕🍻 Bring music 🎶 and good mood 😎👍❤️", 28, 38),
    "base64": (base64.b64encode(bytes((i * i * 7 + i * 13 + 5) % 256 for i in range(240))).decode(), 225, 236),
    "numbers": ("2026-11-22 10:31:07, 4821.50, 17, 1000000, 3.14159, 192.168.0.17, 0x7fffe4, 12:45", 54, 54),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_the_estimate_is_near(kind: str) -> None:
    text, o200k, cl100k = TEXTS[kind]
    assert estimator.O200K.count(text) == pytest.approx(o200k, rel=0.26 if kind == "emoji" else 0.10)
    assert estimator.CL100K.count(text) == pytest.approx(cl100k, rel=0.20)


@pytest.mark.parametrize("kind", ["Chinese", "Japanese", "Korean", "emoji", "base64", "numbers"])
def test_a_quarter_of_the_characters_would_overflow_where_this_does_not(kind: str) -> None:
    text, o200k, _ = TEXTS[kind]
    assert len(text) / 4 < o200k * 0.75
    assert estimator.O200K.count(text) * 1.10 > o200k * 0.98


def test_it_says_that_it_is_an_estimate() -> None:
    assert estimator.O200K.exact is False
    assert estimator.CLAUDE.name == "estimate"


def test_nothing_is_no_token_and_something_is_at_least_one() -> None:
    assert estimator.O200K.count("") == 0
    assert [estimator.O200K.count(text) for text in (" ", "a", "\n", "\x00", "\ud800", "<|endoftext|>")] >= [1] * 6


@given(st.text(max_size=300))
def test_any_text_can_be_estimated(text: str) -> None:
    count = estimator.O200K.count(text)
    assert (count >= 1) if text else (count == 0)
    # A token is at least a byte; encoded characters take up to four.
    assert count <= 4 * len(text) + 1


@given(
    st.lists(
        st.sampled_from(["word ", "getUserName ", "12345 ", "日本 ", "слово ", "a1B2c3D4e5F6g7H8i9J0k1L2m3 "]),
        max_size=40,
    )
)
def test_more_text_is_not_fewer_tokens(words: list[str]) -> None:
    counts = [estimator.O200K.count("".join(words[:end])) for end in range(len(words) + 1)]
    assert counts == sorted(counts)


@pytest.mark.parametrize(
    "name", ["getElementsByTagNameFromDocument", "ThisIsAVeryLongClassNameForTests", "a" * 60, "A" * 60]
)
def test_long_names_are_not_taken_for_encoded_data(name: str) -> None:
    pieces, _ = estimator.features(name)
    assert pieces[estimator.KINDS.index("encoded")] == 0


@pytest.mark.parametrize("kind", ["standard", "hexadecimal"])
def test_encoded_data_is_known_as_such(kind: str) -> None:
    data = bytes((i * i * 7 + i * 13 + 5) % 256 for i in range(90))
    text = data.hex() if kind == "hexadecimal" else base64.b64encode(data).decode()
    pieces, _ = estimator.features(text)
    assert pieces[estimator.KINDS.index("encoded")] == 1


@pytest.mark.parametrize("piece", ["a", " ", "\n", "aaaaB", "1", "!", "é", "a/", "用", "\U0001f600", "x \n"])
def test_hostile_texts_take_time_in_proportion(piece: str) -> None:
    def seconds(times: int) -> float:
        text = piece * times
        start = time.thread_time()
        estimator.O200K.count(text)
        return time.thread_time() - start

    seconds(1000)
    # A quadratic step would take 64 times as long for eight times the text.
    assert min(seconds(80_000) for _ in range(3)) < 30 * max(min(seconds(10_000) for _ in range(3)), 1e-4)
