"""Server-Sent Events, writing side.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from typing import Any

from . import jsons

_LINE_BREAK = re.compile("\r\n|\r|\n")


def format_sse_event(event: str, data: Any) -> str:
    """One event as text: `event: token`, a `data:` line per line of the data, a blank line.

    Args:
        event: Name of the event, one line.
        data: A string is sent as it is, anything else as JSON; our own values by their public fields.

    Raises:
        ValueError: The event's name holds a line break.
        TypeError: The data holds something that JSON cannot.
    """
    if "\n" in event or "\r" in event:
        raise ValueError(f"an event name is one line, got {event!r}")
    if not isinstance(data, str):
        data = jsons.dumps_text(public_form(data))
    if "\n" in data or "\r" in data:
        data = "\ndata: ".join(_LINE_BREAK.split(data))
    return f"event: {event}\ndata: {data}\n\n"


def public_form(value: Any, *, full: bool = False) -> Any:
    """What of a value may go to a browser.

    A result goes without its raw answer, provider items and conversation, unless `full` is set.
    """
    form = getattr(value, "to_public_dict", None)
    if form is not None:
        return form(full=full)
    form = getattr(value, "to_dict", None)
    if form is not None:
        return form()
    return value
