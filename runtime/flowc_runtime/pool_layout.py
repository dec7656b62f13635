"""Where the parts of a pool lie in its memory."""

from __future__ import annotations

# Bytes from the start of the pool; what different threads write lies on lines of its own.
POOL = {
    "context": 0, "threads": 8, "run": 16,  # the flow_pool
    "begun": 24, "latest": 32, "task": 40, "argument": 48,
    "generation": 128, "penalty": 132, "leaving": 136,
    "pending": 256, "waiting": 264,
    "sleepers": 384,
    "busy": 512,
    "mutex": 640, "condition": 768,
    "lines": 896,
}  # fmt: skip
LINE = {"left": 0, "end": 8, "id": 16, "pool": 24, "number": 32}  # a line of a thread: tasks left, end of its range, pthread_t
LINE_BYTES = 128


def at(part: str) -> str:
    """The address of a part of %pool, as %part.at."""
    return f"%{part}.at = getelementptr i8, ptr %pool, i64 {POOL[part]}"


def on(part: str) -> str:
    """The address of a part of the thread's %line, as %part.at."""
    return f"%{part}.at = getelementptr i8, ptr %line, i64 {LINE[part]}"


def line(number: str) -> str:
    """The line of thread %`number`, as %line; %lines.at is known."""
    return f"%offset = mul i64 %{number}, {LINE_BYTES}\n  %line = getelementptr i8, ptr %lines.at, i64 %offset"
