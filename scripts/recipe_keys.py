"""Write the tables of recipe keys in docs/training.md from the settings' own docstrings.

python scripts/recipe_keys.py      # tests/test_docs.py fails where the page and the code disagree
"""

import ast
import dataclasses
import inspect
import re
import textwrap
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from hexamer.model import ModelConfig
from hexamer.tokens import GenomeSource, Masking, Sampling
from hexamer.training import PretrainConfig, Schedule

PAGE = Path(__file__).parent.parent / "docs" / "training.md"
BEGIN, END = "<!-- keys: scripts/recipe_keys.py writes them -->\n", "<!-- end of keys -->\n"
TABLES = {
    "At the top": PretrainConfig,
    "`[[genomes]]`, one for each": GenomeSource,
    "`[model]`": ModelConfig,
    "`[sampling]`": Sampling,
    "`[masking]`": Masking,
    "`[schedule]`": Schedule,
}


def describe_keys(settings: type) -> list[tuple[str, str, str]]:
    """Give each key of a settings dataclass with its default and its docstring.

    Parameters
    ----------
    settings : type

    Returns
    -------
    list of (key, default, meaning)
    """
    source = textwrap.dedent(inspect.getsource(settings))
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    hints, rows = get_type_hints(settings), []
    for line, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
            continue
        name = line.target.id
        assert isinstance(after, ast.Expr), f"{settings.__name__}.{name} has no docstring"
        meaning = " ".join(str(ast.literal_eval(after.value)).split())
        choices = [part for part in (hints[name], *get_args(hints[name])) if get_origin(part) is Literal]
        if choices:
            meaning += " One of " + ", ".join(f'`"{choice}"`' for choice in get_args(choices[0])) + "."
        rows.append((name, _default(line, source), meaning.replace("|", "\\|")))
    assert [name for name, _, _ in rows] == [field.name for field in dataclasses.fields(settings)]
    return rows


def _default(line: ast.AnnAssign, source: str) -> str:
    """Write a default as TOML does; nothing for what is left out, or is a table of its own."""
    if line.value is None:
        return "needed"
    text = ast.get_source_segment(source, line.value) or ""
    if text in ("None", "()", '""') or text.startswith("field("):
        return ""
    return f"`{({'True': 'true', 'False': 'false'}).get(text, text)}`"


def write_tables() -> str:
    """Lay the tables of all keys out as Markdown.

    Returns
    -------
    str
    """
    parts = []
    for heading, settings in TABLES.items():
        rows = [f"| `{key}` | {default} | {meaning} |" for key, default, meaning in describe_keys(settings)]
        parts.append("\n".join([f"{heading}:", "", "| key | default | meaning |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def main() -> None:
    """Put the tables between their marks."""
    text = PAGE.read_text()
    pattern = re.escape(BEGIN) + ".*" + re.escape(END)
    PAGE.write_text(re.sub(pattern, lambda _: BEGIN + "\n" + write_tables() + "\n" + END, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
