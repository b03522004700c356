"""litellm."""

from __future__ import annotations

from typing import Any

from comparing.child import Session, counted_until_now
from comparing.work_raw import MODEL

MESSAGES = [{"role": "user", "content": "Hello"}]


def _how(session: Session, kind: str = "plain") -> dict[str, Any]:
    return {
        "model": f"openai/{MODEL}", "messages": MESSAGES, "api_key": "none", "api_base": f"{session.url}/{kind}/v1",
    }  # fmt: skip


def _call(session: Session) -> Any:
    import litellm

    how = _how(session)

    async def one() -> None:
        assert (await litellm.acompletion(**how)).choices

    return one


def async_call(session: Session) -> Any:
    return session.calls(_call(session))


def async_50(session: Session) -> Any:
    return session.in_flight(_call(session), 50)


def blocking_call(session: Session) -> Any:
    import litellm

    how = _how(session)

    def one() -> None:
        assert litellm.completion(**how).choices

    return session.blocking(one)


def _async_stream(session: Session, kind: str) -> Any:
    import litellm

    how = _how(session, kind)

    async def one() -> None:
        tokens = 0
        async for chunk in await litellm.acompletion(stream=True, **how):
            tokens += bool(chunk.choices and chunk.choices[0].delta.content)
        assert tokens == session.chunks

    return session.calls(one, session.chunks)


def async_stream(session: Session) -> Any:
    return _async_stream(session, "plain")


def async_packets(session: Session) -> Any:
    return _async_stream(session, "packets")


def blocking_stream(session: Session) -> Any:
    import litellm

    how = _how(session)

    def one() -> None:
        tokens = 0
        for chunk in litellm.completion(stream=True, **how):
            tokens += bool(chunk.choices and chunk.choices[0].delta.content)
        assert tokens == session.chunks

    return session.blocking(one, session.chunks)


def first_token(session: Session) -> Any:
    import litellm

    how = _how(session, "first")

    async def one() -> Any:
        taken = None
        async for chunk in await litellm.acompletion(stream=True, **how):
            if taken is None and chunk.choices and chunk.choices[0].delta.content:
                taken = counted_until_now()
        return taken

    return session.calls(one, own=True)


def _embeddings(session: Session, encoding: str) -> Any:
    import litellm

    texts = [f"text {number}" for number in range(session.vectors)]
    how = {"model": "openai/text-embedding-3-small", "api_key": "none", "api_base": f"{session.url}/plain/v1"}

    def one() -> None:
        assert len(litellm.embedding(input=texts, encoding_format=encoding, **how).data) == session.vectors

    return session.blocking(one)


def embeddings_base64(session: Session) -> Any:
    return _embeddings(session, "base64")


def embeddings_float(session: Session) -> Any:
    return _embeddings(session, "float")


IMPORT = "import litellm"


async def first_call(session: Session) -> None:
    import litellm

    assert (await litellm.acompletion(**_how(session))).choices
