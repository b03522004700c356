"""What a docstring says of a function and of its parameters: Google, NumPy and Sphinx style."""

from __future__ import annotations

import inspect
import re

# A line with which a docstring's sections begin, in any of the three styles.
_SECTION = re.compile(
    r"\s*(?:[:@](?:param|parameter|arg|argument|key|keyword|type|raises?|returns?|rtype|yields?)\b"
    r"|(?:Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters|Returns?|Yields?|Raises"
    r"|Examples?|Notes?|Attributes|See Also|Warnings?)\s*:?\s*$)",
    re.IGNORECASE,
)
_UNDERLINE = re.compile(r"\s*[-=~]{3,}\s*$")
# What begins a field, a directive or an underlined title, without which a docstring can only be of Google's style.
_OTHER_STYLE = re.compile(r"^[ \t]*(?:[:@]|\.\.|[-=~]{2,}[ \t]*$)", re.MULTILINE)
# A wrapped line continues the one before, unless it begins an item of a list.
_WRAP = re.compile(r"[ \t]*\n[ \t]*(?![-*•] |\d+[.)] |[ \t]*\n)")


def first_paragraph(docstring: str | None) -> str:
    """The first paragraph, in one line; empty where the docstring begins with its sections."""
    lines: list[str] = []
    for line in inspect.cleandoc(docstring or "").splitlines():
        if _UNDERLINE.fullmatch(line):
            continue
        if not line.strip() or _SECTION.match(line):
            if lines:
                break
            if line.strip():
                return ""
            continue
        lines.append(line.strip())
    return " ".join(lines)


def parameter_descriptions(docstring: str | None) -> dict[str, str]:
    """The descriptions of the parameters, by name; empty where the docstring has none or cannot be read."""
    if not docstring or "\n" not in docstring.strip():
        return {}
    # Imported here: a tool whose schema nobody asks for does without.
    import docstring_parser

    text = inspect.cleandoc(docstring)
    # Reading all styles and taking the one that finds most costs three times as much as reading the one there can be.
    style = (
        docstring_parser.DocstringStyle.AUTO if _OTHER_STYLE.search(text) else docstring_parser.DocstringStyle.GOOGLE
    )
    try:
        parsed = docstring_parser.parse(text, style)
    except docstring_parser.ParseError:
        return {}
    described: dict[str, str] = {}
    for parameter in parsed.params:
        text = _WRAP.sub(" ", parameter.description or "").strip()
        if not text or (parameter.args and parameter.args[0] == "attribute"):
            continue
        for name in parameter.arg_name.split(","):
            described.setdefault(name.strip().lstrip("*\\"), text)
    return described
