"""How much the fake server answers."""

CHUNKS = 96
TEXT = "word "
TOOL_CALLS = 4
VECTORS, DIMENSIONS = 64, 1536
