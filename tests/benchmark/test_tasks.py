import tomllib
from pathlib import Path

import pytest

from hexamer.benchmark.layouts import Layout
from hexamer.benchmark.tasks import DEFINITION, SUITES, Task, list_suites, read_suite
from hexamer.errors import SettingsError

ONE = '[[tasks]]\nname = "eye"\nclasses = ["none", "enhancer"]\n'


def suite(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / DEFINITION).write_text(text)
    return folder


def test_every_built_in_suite_reads():
    suites = list_suites()
    assert [suite.name for suite in suites] == sorted(path.stem for path in SUITES.glob("*.toml"))
    assert {suite.name: len(suite.tasks) for suite in suites} == {
        "genomic-benchmarks": 9,
        "genomic-benchmarks-cut": 5,
        "gue": 22,
        "mpra-samples": 3,
        "nt-original": 18,
        "nt-revised": 18,
        "nt-revised-sample": 18,
        "splice42": 6,
        "yeast-promoters": 3,
    }
    for suite in suites:
        assert suite.about.endswith(".")
        assert suite.folder == ""
        for task in suite.tasks:
            assert task.suite == suite.name
            assert task.category
            assert task.source


def test_the_definitions_travel_with_the_package():
    """Hatch takes every file below the package, unless git ignores it."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/hexamer"]
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().split()
    assert not {"*.toml", "*.tsv", "suites", "suites/"} & set(ignored)


def test_the_original_and_the_revised_tasks_are_as_published():
    original, revised = read_suite("nt-original"), read_suite("nt-revised")
    assert sum(task.train or 0 for task in original.tasks) == 461_850
    assert sum(task.test or 0 for task in revised.tasks) == 38_822
    types = original.task("enhancers_types")
    assert (types.length, len(types.classes), types.metric, types.published) == (
        200,
        3,
        "mcc",
        {"train": 14_968, "test": 400},
    )
    assert original.task("promoter_tata").metric == "f1"
    assert original.task("splice_sites_all").metric == "accuracy"
    assert {task.metric for task in revised.tasks} == {"mcc"}
    assert {len(suite.tasks) for suite in (original, revised)} == {18}
    counts = {"promoter": 3, "enhancer": 2, "splice": 3, "histone": 10}
    for each in (original, revised):
        assert {c: sum(task.category == c for task in each.tasks) for c in counts} == counts


def test_a_sample_has_the_tasks_but_not_the_sizes():
    task = read_suite("nt-revised-sample").task("H3K27ac")
    whole = read_suite("nt-revised").task("H3K27ac")
    assert (task.classes, task.length, task.assembly) == (whole.classes, whole.length, "hg38")
    assert task.published == {}
    assert task.layout.places != whole.layout.places


def test_a_suite_of_ones_own(tmp_path: Path):
    text = 'about = "Eyes."\n[defaults]\nmetric = "f1"\ncategory = "enhancer"\n[defaults.layout]\nplaces = ["x"]\n'
    folder = suite(tmp_path / "eyes", text + ONE + '[tasks.layout]\nsequence = "dna"\n')
    for asked in (folder, str(folder), folder / DEFINITION):
        found = read_suite(asked)
        assert (found.name, found.about, found.folder) == ("eyes", "Eyes.", str(folder))
        (task,) = found.tasks
        assert (task.suite, task.metric, task.category, task.published) == ("eyes", "f1", "enhancer", {})
        # Files beside the definition need no folder, where there is one task only.
        assert task.layout == Layout(places=("x",), sequence="dna", folders=("{task}", "."))
    suite(folder, 'name = "fly"\n' + ONE + ONE.replace("eye", "wing"))
    found = read_suite(folder)
    assert (found.name, found.task("wing").layout.folders) == ("fly", ("{task}",))


def test_tasks_of_another_suite(tmp_path: Path):
    assert len(read_suite(suite(tmp_path, 'tasks_of = "gue"')).tasks) == 22
    some = 'tasks_of = "gue"\n[[tasks]]\nname = "H3"\ntrain = 5\n' + ONE
    first, second = read_suite(suite(tmp_path, some)).tasks
    assert (first.length, first.train, first.test, first.layout) == (500, 5, None, Layout())
    assert second.name == "eye"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no tasks; .*tasks.* with a name and classes would work"),
        ("x = ", "not readable as TOML"),
        ("[defaults]\n[tasks]", "tables .*tasks.* would work"),
        ('abuot = "x"\n' + ONE, "there is no setting 'abuot'; the nearest is 'about'"),
        (ONE + 'metrics = "mcc"', "task eye: there is no setting 'metrics'; the nearest is 'metric'"),
        (ONE + 'metric = "pearson"', "'eye' of x: metric = 'pearson'; mcc, f1, accuracy, auroc, auprc would work"),
        (ONE + 'kind = "value"', "task eye: kind = 'value'"),
        (ONE + "length = 0", "length = 0; 1 or more would work"),
        (ONE + "layout = { trian = 'x' }", "there is no setting 'layout.trian'; the nearest is 'train'"),
        ('[[tasks]]\nname = "eye"', "task eye: the setting 'classes' is missing"),
        ('[[tasks]]\nname = "eye"\nclasses = ["a", "a"]', r"classes = \['a', 'a'\]; names that differ would work"),
        ('[[tasks]]\nname = "eye"\nclasses = ["a"]', "names that differ would work"),
        ('[[tasks]]\nname = "../x"\nclasses = ["a", "b"]', "letters, digits, _ . . and - would work as its name"),
        (ONE + ONE, "suite x: two tasks are called 'eye'"),
        ('tasks_of = "geu"', "geu: neither a built-in suite nor a folder .*; the nearest suites are gue"),
        ('tasks_of = "gue"\n[[tasks]]\nname = "H33"', "task H33: the setting 'classes' is missing"),
        ("defaults = 3", "tables .*tasks.* would work"),
        ('[defaults]\nlayout = "x"\n' + ONE, "layout"),
    ],
)
def test_mistakes_in_a_definition(tmp_path: Path, text: str, message: str):
    with pytest.raises(SettingsError, match=message):
        read_suite(suite(tmp_path / "x", text))


def test_unknown_names_are_told_with_the_nearest(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"nt-revized: neither .*; the nearest suites are nt-revised"):
        read_suite("nt-revized")
    with pytest.raises(SettingsError, match="suite gue: there is no task 'H3K4me'; the nearest are H3K4me3, H3K4me2"):
        read_suite("gue").task("H3K4me")
    with pytest.raises(SettingsError, match=r"has no suite.toml; one that names its tasks would work"):
        read_suite(tmp_path)


def test_a_single_value_is_enough():
    task = Task(suite="x", name="y", kind="values", classes=("expression",), metric="pearson")
    assert task.published == {}
