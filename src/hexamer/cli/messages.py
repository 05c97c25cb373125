"""What is said beside the results: lines on stderr, and the examples of help pages.

Not here: counts that run (`progress`), what becomes of errors (`application`).
"""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

import typer

from hexamer.errors import REASONS


def examples(*lines: str) -> str:
    r"""Two commands that can be pasted, as the end of a help page (\b keeps their line ends)."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def say(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(text, err=True)


def is_first() -> bool:
    """Whether this is the first of torchrun's processes, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def say_once(text: str) -> None:
    """Say what every process of torchrun would say: the first prints it, the others leave it for torchrun's report."""
    if is_first():
        say(text)
    elif report := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        message = {"message": text, "extraInfo": {"timestamp": int(time.time())}}
        Path(report).write_text(json.dumps({"message": message}))


def say_reasons(counts: Iterable[tuple[str, int]], scored: str = "") -> None:
    """Say how many rows have each reason code; those with the empty one only where there is a word for them."""
    for reason, count in counts:
        if reason or scored:
            say(f"{count:>12,}  {reason or 'scored':<16} {REASONS.get(reason, scored)}")
