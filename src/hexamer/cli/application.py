"""The commands put together, and what becomes of errors.

A `HexamerError` becomes one line and exit code 2; any other crash one line and exit code 1, with the traceback when
HEXAMER_TRACEBACK is set. Not here: the commands, each with its topic.
"""

import os
import signal
import sys
from typing import Annotated

import typer

from hexamer.cli import (
    attention,
    attribution,
    benchmark,
    classifier,
    doctor,
    embedding,
    evaluation,
    expression,
    held_out,
    interpretation,
    people,
    prediction,
    pretraining,
    projection,
    report,
    splicing,
    variants,
)
from hexamer.cli.messages import examples, say, say_once
from hexamer.errors import HexamerError

TOPICS = (
    variants,
    classifier,
    embedding,
    prediction,
    pretraining,
    held_out,
    evaluation,
    benchmark,
    splicing,
    people,
    expression,
    attention,
    interpretation,
    attribution,
    projection,
    report,
    doctor,
)
"""In the order in which `hexamer --help` lists their commands."""

app = typer.Typer(
    name="hexamer",
    help="DNA as 6-mers: embeddings, variant scores and pre-training with Nucleotide Transformers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for topic in TOPICS:
    app.add_typer(topic.commands)


def _show_version(shown: bool) -> None:
    if shown:
        import hexamer

        typer.echo(f"hexamer {hexamer.__version__}")
        raise typer.Exit


@app.callback(
    epilog=examples(
        "hexamer score-variants calls.vcf.gz --genome hg38.fa --out calls.scored.vcf.gz",
        "hexamer embed promoters.fa --out promoters.h5ad",
    )
)
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """DNA as 6-mers: embeddings, variant scores and pre-training with Nucleotide Transformers."""


def _stop(number: int, frame: object) -> None:
    """End as Ctrl-C does where a scheduler sends SIGTERM; pretrain has a way of its own."""
    raise KeyboardInterrupt


def _reason_of(stop: SystemExit) -> str:
    """Find what a run said when a signal ended it; empty where it said nothing."""
    cause: BaseException | None = stop
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return str(cause or "")


def main() -> None:
    """Run a command and turn what goes wrong into one line and an exit code."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except HexamerError as error:
        say_once(f"hexamer: {error}")
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == 130:  # typer's, of a KeyboardInterrupt
            say_once(f"hexamer: {_reason_of(stop) or 'stopped'}")
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("HEXAMER_TRACEBACK"):
            raise
        say(f"hexamer: a fault of the program: {type(error).__name__}: {error} (HEXAMER_TRACEBACK=1 shows where)")
        sys.exit(1)
