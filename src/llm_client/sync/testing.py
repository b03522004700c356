"""Test doubles for code that uses the blocking face; `FakeAPI` serves both."""

from .._sync.scripted import ScriptedProvider, ScriptedRequest
from ..testing import Answer, Call, Failure, FakeAPI, Interruption, RawAnswer, RecordedRequest, Reply, TokenCounts, Wire

__all__ = [
    "Answer",
    "Call",
    "Failure",
    "FakeAPI",
    "Interruption",
    "RawAnswer",
    "RecordedRequest",
    "Reply",
    "ScriptedProvider",
    "ScriptedRequest",
    "TokenCounts",
    "Wire",
]
