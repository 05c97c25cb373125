"""The command line: one file per topic, one small function per command, over the public function of the same name.

Nothing here computes. Heavy parts (torch, pandas) are imported inside the commands, so that `--help` and mistakes in
options answer at once. A new topic is a file with its own `commands`, and a name in the list of `application`.
"""

from hexamer.cli.application import app, main

__all__ = ["app", "main"]
