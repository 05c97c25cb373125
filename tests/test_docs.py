"""Documentation that cannot go stale: its Python runs, its commands exist, its tables match the code."""

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hexamer import cli
from hexamer.benchmark import list_suites, read_suite
from hexamer.benchmark.tasks import DEFINITION
from hexamer.errors import REASONS
from hexamer.manifest import make_settings
from hexamer.report.tables import HEADINGS
from hexamer.training import PretrainConfig
from hexamer.training.recipe import read_recipe

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", [p for p in PAGES if "```python" in p.read_text()], ids=lambda p: p.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch):
    (tmp_path / "demo").symlink_to(ROOT / "demo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "cache"))
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        exec(compile(block, str(page), "exec"), names)


def commands() -> list[tuple[str, list[str]]]:
    """Every `hexamer ...` line of a bash block, without comments, up to a pipe or redirection."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if "hexamer" in words:
                    words = words[words.index("hexamer") + 1 :]
                    found.append((page.name, [w for i, w in enumerate(words) if not {"|", ">"} & set(words[: i + 1])]))
    return found


@pytest.mark.parametrize(("page", "words"), commands(), ids=str)
def test_commands_and_their_options_exist(page: str, words: list[str]):
    if words[0].startswith("-"):
        return
    asked = words[: 2 if words[0] == "predict-expression" else 1]
    help_page = CliRunner().invoke(cli.app, [*asked, "--help"], terminal_width=200)
    assert help_page.exit_code == 0, f"{page}: no command {words[0]}"
    for word in words[1:]:
        if word.startswith("-") and word != "-":
            assert re.search(rf"(^|[\s,]){re.escape(word)}[\s,]", help_page.output), f"{page}: {words[0]} has no {word}"


def test_the_table_of_reasons_is_the_code_s():
    text = (ROOT / "docs" / "conventions.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, flags=re.MULTILINE))
    assert {code: meaning.replace("`", "").replace("(*)", "(*)") for code, meaning in rows.items()} == REASONS


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_tables_of_recipe_keys_are_the_code_s():
    spec = importlib.util.spec_from_file_location("recipe_keys", ROOT / "scripts" / "recipe_keys.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = script.PAGE.read_text()
    written = text.split(script.BEGIN)[1].split(script.END)[0].strip()
    assert written == script.write_tables().strip(), "python scripts/recipe_keys.py writes them anew"


def test_recipes_in_pages_are_complete():
    blocks = [block for page in PAGES for block in re.findall(r"```toml\n(.*?)```", page.read_text(), flags=re.DOTALL)]
    tables = [tomllib.loads(block) for block in blocks]
    recipes = [table for table in tables if "tasks" not in table]
    assert recipes
    for table in recipes:
        assert make_settings(PretrainConfig, table, "docs").rows


def test_suites_in_pages_are_complete(tmp_path: Path):
    text = (ROOT / "docs" / "benchmark.md").read_text()
    (tmp_path / DEFINITION).write_text(text.split("```toml\n")[1].split("```")[0])
    assert read_suite(tmp_path).tasks


def test_the_table_of_suites_is_the_code_s():
    text = (ROOT / "docs" / "benchmark.md").read_text()
    rows = re.findall(r"^\| (`[^|]+`) \| ([0-9, each]+) \|", text, flags=re.MULTILINE)
    names = [re.findall(r"`([^`]+)`", row[0]) for row in rows]
    sizes = [list(map(int, re.findall(r"\d+", row[1]))) for row in rows]
    written = {
        name: size for part, own in zip(names, sizes, strict=True) for name, size in zip(part, own * 2, strict=False)
    }
    assert written == {suite.name: len(suite.tasks) for suite in list_suites()}


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.name)
def test_recipes_can_be_read(recipe: Path):
    assert read_recipe(recipe)[0].rows


def test_the_headings_of_an_evaluation_are_explained():
    text = (ROOT / "docs" / "training.md").read_text()
    table = text.split("| column of the file | on the screen | meaning |")[1].split("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    shown = [heading.strip() for _, headings in rows for heading in headings.split(",") if heading.strip()]
    assert shown == [heading for heading in HEADINGS.values() if heading not in ("genome", "region", "element")]
    columns = set(re.findall(r"`(\w+)`", " ".join(names for names, _ in rows)))
    assert set(HEADINGS) - {"genome", "region", "element", "interval"} <= columns
