from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.compaction import HEAD, apply_summary, plan_compaction, summary_request
from llm_client._core.conversation import Conversation
from llm_client._core.messages import Message, Role, ToolCall
from llm_client._core.profiles import ModelProfile
from llm_client._core.validate import repair
from support.histories import LENGTHS, healthy, length


def talk(turns: int, **settings: object) -> Conversation:
    conv = Conversation("be kind", truncation_strategy="summarize", **settings)  # type: ignore[arg-type]
    for number in range(turns):
        conv.add_user(f"question {number:03}")
        conv.add_assistant(f"answer {number:03}")
    return conv


def test_nothing_is_planned_while_everything_fits() -> None:
    assert plan_compaction(talk(3, max_tokens=1000), model=LENGTHS) is None
    assert plan_compaction(talk(300), model=LENGTHS) is None
    assert plan_compaction(Conversation(), model=LENGTHS, force=True) is None


def test_the_older_half_is_summarised() -> None:
    conv = talk(100, max_tokens=1000)
    plan = plan_compaction(conv, model=LENGTHS)
    assert plan is not None
    assert [*plan.old, *plan.recent] == conv.messages == list(plan.given)
    assert 200 < sum(map(length, plan.recent)) <= 500 - plan.summary_tokens
    assert len(conv) == 200
    apply_summary(conv, plan, " They talked.\n")
    assert conv[0] == Message.user(HEAD + "They talked.")
    assert conv[1:] == list(plan.recent)
    assert conv.system_message == "be kind"
    # All of it fits now, with room to grow.
    assert conv.get_messages(LENGTHS)[1:] == conv.messages
    assert plan_compaction(conv, model=LENGTHS) is None
    assert plan_compaction(conv, model=LENGTHS, overhead_tokens=700) is not None


def test_it_can_be_forced() -> None:
    conv = talk(10)
    plan = plan_compaction(conv, model=LENGTHS, force=True)
    assert plan is not None
    assert plan.old
    assert plan.recent[-1] == conv[-1]


def test_the_question_stays_and_exchanges_stay_whole() -> None:
    conv = Conversation(max_tokens=300, truncation_strategy="summarize", messages=["do it"])
    for number in range(12):
        conv.add_assistant_with_tools(None, [ToolCall(f"c{number}", "look")])
        conv.add_tool_result(f"c{number}", "r" * 30)
    plan = plan_compaction(conv, model=LENGTHS)
    assert plan is not None
    assert plan.recent[0] == Message.user("do it")
    assert plan.recent[1].tool_calls
    apply_summary(conv, plan, "Looked around.")
    assert repair(conv.messages).notes == []


def test_what_came_after_the_plan_stays() -> None:
    conv = talk(100, max_tokens=1000)
    plan = plan_compaction(conv, model=LENGTHS)
    assert plan is not None
    conv.add_user("meanwhile")
    apply_summary(conv, plan, "They talked.")
    assert conv[-1] == Message.user("meanwhile")
    with pytest.raises(ValueError, match="the conversation was changed since the plan was made"):
        apply_summary(conv, plan, "They talked.")
    with pytest.raises(ValueError, match="the summary is empty"):
        apply_summary(conv, plan, "  ")


def test_a_summary_is_not_summarised_alone() -> None:
    conv = Conversation(max_tokens=100, messages=[HEAD + "x" * 60, "y" * 80])
    assert plan_compaction(conv, model=LENGTHS) is None


def test_the_request_holds_the_old_messages_and_fits_the_model() -> None:
    conv = talk(100, max_tokens=1000)
    plan = plan_compaction(conv, model=LENGTHS)
    assert plan is not None
    system, question = summary_request(plan)
    assert system.role is Role.SYSTEM
    assert "User: question 000\nAssistant: answer 000\nUser: question 001" in question.text
    assert f"in at most {plan.summary_tokens} tokens" in question.text
    small = ModelProfile.register("compaction-test-small", context_window=600)
    short = summary_request(plan, small)
    assert "characters left out" in short[1].text
    assert small.count_tokens(short) + plan.summary_tokens <= 600


@given(healthy(), st.integers(50, 400))
def test_compaction_never_breaks_a_conversation(messages: list[Message], limit: int) -> None:
    conv = Conversation(max_tokens=limit, messages=messages)
    plan = plan_compaction(conv, model=LENGTHS)
    if plan is None:
        return
    before = conv.get_last_user_message()
    apply_summary(conv, plan, "s")
    assert repair(conv.messages).notes == []
    if before is not None:
        assert conv.get_last_user_message() == before
    assert sum(map(length, conv.messages)) < sum(map(length, messages)) + length(Message.user(HEAD + "s"))
