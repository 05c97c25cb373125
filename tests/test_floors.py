"""Imports run downhill: a module may import its own folder and any lower floor, never a neighbour, not even hidden."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SRC = TESTS.parent / "src" / "hexamer"
FLOORS = [  # from the ground up; what stands on one floor does not know its neighbours
    {"errors"},
    {"device", "manifest", "metrics"},
    {"genome"},
    {"tokens"},
    {"model"},
    {"embeddings"},
    {"training"},
    {"effects"},
    {"benchmark", "interpretation", "expression"},
    {"report"},
    {"__init__"},
    {"cli"},
    {"__main__"},
]
FLOOR = {unit: level for level, units in enumerate(FLOORS) for unit in units}
LEFTOVERS = {"utils", "util", "common", "helpers", "helper", "core", "base", "misc", "tools", "shared"}
UNTESTED: set[str] = set()
"""Modules whose mirror in tests/ is still missing."""


def modules(root: Path) -> dict[str, Path]:
    """Dotted name below the package to file; a folder goes by its own name, the package by `__init__`."""
    names = {path: path.relative_to(root).with_suffix("").parts for path in sorted(root.rglob("*.py"))}
    return {".".join(p[:-1] if p[-1] == "__init__" and p[:-1] else p): path for path, p in names.items()}


def imported(path: Path, root: Path) -> set[str]:
    """What a file imports of the package, anywhere in it: modules as named by `modules`."""
    known, names = modules(root), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            here = ("hexamer", *path.relative_to(root).parts)
            above = here[: len(here) - node.level] if node.level else ()
            stem = ".".join((*above, *filter(None, [node.module])))
            # `from hexamer.tokens import masking` may mean a module; `from hexamer import Genome` the shop window.
            names |= {f"{stem}.{a.name}" if f"{stem}.{a.name}"[8:] in known else stem for a in node.names}
    ours = {name.partition(".")[2] or "__init__" for name in names if name.split(".")[0] == "hexamer"}
    return {name if name in known else name.split(".")[0] for name in ours}


def uphill(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)} imports {target}"
        for name, path in modules(root).items()
        for unit in [name.split(".")[0]]
        for target in sorted(imported(path, root))
        for other in [target.split(".")[0]]
        if other != unit and FLOOR[other] >= FLOOR[unit]
    ]


def test_imports_run_downhill():
    assert uphill(SRC) == []


def test_no_ring_within_a_folder():
    graph = {name: imported(path, SRC) - {name} for name, path in modules(SRC).items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"these import each other: {' -> '.join(error.args[1])}")
    assert set(order) == set(modules(SRC))


@pytest.mark.parametrize(
    ("place", "line", "offence"),
    [
        ("genome/x.py", "import hexamer.tokens", "tokens"),
        ("genome/x.py", "from hexamer.tokens import Tokenizer", "tokens"),
        ("genome/x.py", "from ..tokens.y import Tokenizer", "tokens.y"),
        ("genome/x.py", "def f():\n    from hexamer.model import load_model", "model"),
        (
            "genome/x.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import hexamer.effects.y as e",
            "effects.y",
        ),
        ("benchmark/x.py", "from hexamer import expression", "expression"),
        ("tokens/x.py", "import hexamer as hx", "__init__"),
        ("tokens/__init__.py", "from hexamer import Genome", "__init__"),
        ("manifest.py", "from hexamer import device", "device"),
        ("errors.py", "from hexamer.manifest import checksum", "manifest"),
        ("report/x.py", "from hexamer.cli import main", "cli"),
    ],
)
def test_an_offence_is_caught(tmp_path: Path, place: str, line: str, offence: str):
    for name in ("tokens", "model", "effects", "genome", "benchmark", "expression", "report"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("from hexamer.errors import HexamerError\n")
        (tmp_path / name / "y.py").write_text(f"from hexamer.{name} import y\nimport numpy\n")
    for name in ("errors", "manifest", "device", "cli", "__init__"):
        (tmp_path / f"{name}.py").write_text("")
    assert uphill(tmp_path) == []
    (tmp_path / place).write_text(line + "\n")
    assert uphill(tmp_path) == [f"{place} imports {offence}"]


def test_every_unit_has_a_floor_and_folders_are_one_deep():
    parts = [path.relative_to(SRC).with_suffix("").parts for path in SRC.rglob("*.py")]
    assert {part[0] for part in parts} <= FLOOR.keys()
    assert max(map(len, parts)) == 2


def test_the_shop_window_serves_the_command_line_alone():
    users = {name.split(".")[0] for name, path in modules(SRC).items() if "__init__" in imported(path, SRC)}
    assert users <= {"cli"}


def test_names_are_nouns_and_no_leftovers():
    words = {part for name in modules(SRC) for part in name.split(".")}
    assert words & LEFTOVERS == set()


def test_every_module_has_its_mirror():
    mirrors = {
        name: TESTS.joinpath(*name.split(".")[:-1], f"test_{name.split('.')[-1]}.py")
        for name, path in modules(SRC).items()
        if path.stem not in ("__init__", "__main__")
    }
    missing = {name for name, mirror in mirrors.items() if not mirror.exists()}
    assert missing == UNTESTED
    # And no mirror outlives its module.
    kept = {mirror for mirror in mirrors.values() if mirror.exists()}
    folders = {name for name in FLOOR if (TESTS / name).is_dir()}
    assert {path for folder in folders for path in (TESTS / folder).glob("test_*.py")} <= kept
