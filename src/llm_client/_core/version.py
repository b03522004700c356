"""The library's version, without asking the packaging system at run time."""

VERSION = "2.0.0"
USER_AGENT = f"llm-client/{VERSION}"
