import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.benchmark.test_methods import drawn

from hexamer.benchmark.methods import Methods
from hexamer.benchmark.protocol import BenchmarkSettings, audit_task, hold_out, run_task, split_fold, task_target
from hexamer.benchmark.task_data import Split, TaskData
from hexamer.benchmark.tasks import Task
from hexamer.errors import InputError, SequenceError, SettingsError
from hexamer.model import load_model, save_model
from hexamer.tokens import LetterReport
from hexamer.training.fitting import FitSettings

FIT = FitSettings(steps=2, batch=4, evaluate_every=1)
SETTINGS = BenchmarkSettings(methods=("probe", "kmer", "head"), folds=2, fit=FIT)


def task_of(kind="classes", train=60, test=20, **values):
    names = {"classes": ("low", "high"), "labels": ("high", "low")}.get(kind, ("gc",))
    metric = {"classes": "mcc", "labels": "auroc", "values": "pearson"}[kind]
    task = Task(suite="fly", name="eye", kind=kind, classes=names, metric=metric)
    held = drawn(kind, test, 2) if test else None
    parts = {"train": drawn(kind, train, 1), "validation": None, "test": held} | values
    return TaskData(task=task, **parts, letters=LetterReport(), notes=())


def placed(*counts):
    """A task of 60 rows, none for the test, on as many contigs as there are counts."""
    chroms = np.repeat([f"chr{i}" for i in range(1, len(counts) + 1)], counts)
    regions = pd.DataFrame({"chrom": chroms, "start": range(len(chroms)), "end": range(60, len(chroms) + 60)})
    data = task_of(test=None)
    return replace(data, train=replace(data.train, regions=regions)), regions


@pytest.fixture(scope="module")
def encoder(model, tmp_path_factory):
    """As `model`, from a folder."""
    return load_model(save_model(model, tmp_path_factory.mktemp("encoder") / "m"), device="cpu")


@pytest.fixture
def ran(monkeypatch):
    """Cells that are run, not read, as method and the fold's seed."""
    seen, run = [], Methods.run

    def spy(self, method, learn, choose, fit):
        seen.append((method, fit.seed))
        return run(self, method, learn, choose, fit)

    monkeypatch.setattr(Methods, "run", spy)
    return seen


@given(st.integers(2, 300), st.integers(0, 20), st.sampled_from([0.01, 0.1, 0.5, 0.99]))
def test_a_fold_divides_the_training_rows(count, fold, share):
    settings = BenchmarkSettings(validation=share, seed=3)
    learn, choose = split_fold(count, fold, settings)
    assert sorted([*learn, *choose]) == list(range(count))
    assert len(choose) == min(max(1, round(share * count)), count - 1)
    again = split_fold(count, fold, settings)
    assert np.array_equal(again[0], learn)
    assert np.array_equal(again[1], choose)


def test_folds_and_seeds_differ():
    held = [split_fold(100, fold, BenchmarkSettings(seed=seed))[1] for seed in (0, 1) for fold in range(10)]
    assert len({tuple(rows) for rows in held}) == 20
    assert {len(rows) for rows in held} == {10}


def test_published_test_rows_are_the_test_rows_and_validation_rows_are_left_alone():
    data = task_of(validation=drawn("classes", 8, 5))
    train, test = hold_out(data, SETTINGS)
    assert train is data.train
    assert test is data.test


def test_without_test_rows_a_fifth_is_held_out_at_random():
    data = task_of(test=None)
    train, test = hold_out(data, SETTINGS)
    assert (len(train), len(test)) == (48, 12)
    assert sorted(train.sequences + test.sequences) == sorted(data.train.sequences)
    assert hold_out(data, SETTINGS)[1].sequences == test.sequences
    assert hold_out(data, replace(SETTINGS, seed=1))[1].sequences != test.sequences
    assert len(hold_out(data, replace(SETTINGS, test_share=0.5))[1]) == 30


def test_where_places_are_known_whole_contigs_are_held_out():
    data, regions = placed(10, 20, 15, 5, 10)
    for seed in range(8):
        train, test = hold_out(data, replace(SETTINGS, seed=seed))
        assert not set(train.regions["chrom"]) & set(test.regions["chrom"])
        assert len(train) + len(test) == 60
        assert 12 <= len(test) < 12 + 20
        rows = np.flatnonzero(regions["chrom"].isin(test.regions["chrom"]))
        assert test.sequences == [data.train.sequences[row] for row in rows]
    assert len({tuple(hold_out(data, replace(SETTINGS, seed=seed))[1].sequences) for seed in range(8)}) > 1


@pytest.mark.parametrize("seed", range(4))
def test_the_test_is_of_whole_contigs_and_about_as_many_rows_as_asked_for(seed):
    settings = replace(SETTINGS, seed=seed)
    for counts in ((14, 46), (10, 10, 40), (5, 5, 10, 10, 30)):
        train, test = hold_out(placed(*counts)[0], settings)
        assert len(train) + len(test) == 60
        assert 6 <= len(test) <= 24
        assert not set(train.regions["chrom"]) & set(test.regions["chrom"])
    with pytest.raises(SettingsError, match="no whole groups are about 20% of them"):
        hold_out(placed(1, 59)[0], settings)
    train, test = hold_out(placed(1, 59)[0], replace(settings, hold_out_by="rows"))
    assert (len(train), len(test)) == (48, 12)


def test_of_one_contig_blocks_are_held_out():
    data, regions = placed(60)
    starts = np.repeat(np.arange(12) * 1_000_000, 5)
    split = replace(data.train, regions=regions.assign(start=starts, end=starts + 60))
    train, test = hold_out(replace(data, train=split), SETTINGS)
    assert not set(train.regions["start"]) & set(test.regions["start"])
    assert len(test) == 15


def test_the_most_training_rows_are_drawn_at_random_in_their_order():
    data = task_of()
    train, test = hold_out(data, replace(SETTINGS, most=25))
    assert len(train) == 25
    assert test is data.test
    places = [data.train.sequences.index(each) for each in train.sequences]
    assert places == sorted(places) != list(range(25))
    assert hold_out(data, replace(SETTINGS, most=25))[0].sequences == train.sequences
    assert hold_out(data, replace(SETTINGS, most=600))[0] is data.train


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
def test_targets_of_tasks(kind):
    data = task_of(kind)
    target = task_target(data)
    assert (target.kind, target.names) == (kind, data.task.classes)
    if kind == "labels":
        assert target.positive_weight == 1
    if kind == "values":
        assert target.means == ()  # each fold's, of its training rows alone
        assert target.fitted(data.train.targets).means == pytest.approx([data.train.targets.mean()])


def test_every_method_and_fold_has_a_cell(encoder, ran, tmp_path):
    data, seen = task_of(), []
    settings = replace(SETTINGS, seed=5)
    cells = run_task(encoder, data, tmp_path, settings, advance=lambda cell, there: seen.append((cell, there)))
    assert ran == [(method, 5 + fold) for method in settings.methods for fold in (0, 1)]
    assert seen == [(cell, False) for cell in cells]
    assert [cell[:3] for cell in cells] == [("eye", method, fold) for method in settings.methods for fold in (0, 1)]
    files = sorted(path.name for path in (tmp_path / "cells" / "eye").iterdir())
    assert files == sorted(
        f"{name}.{fold}.{end}" for name in settings.methods for fold in (0, 1) for end in ("json", "npy")
    )
    for cell in cells:
        found = np.load(tmp_path / "cells" / "eye" / f"{cell.method}.{cell.fold}.npy")
        assert cell.test == task_target(data).score(data.test.targets, found)


def test_finished_cells_are_not_run_again(encoder, ran, tmp_path):
    data, seen = task_of(), []
    first = run_task(encoder, data, tmp_path, SETTINGS)
    ran.clear()
    again = run_task(encoder, data, tmp_path, SETTINGS, advance=lambda cell, there: seen.append(there))
    assert ran == []
    assert seen == [True] * 6
    assert again == first
    more = run_task(encoder, data, tmp_path, replace(SETTINGS, folds=3, methods=("kmer", "random-probe")))
    assert ran == [("kmer", 2), ("random-probe", 0), ("random-probe", 1), ("random-probe", 2)]
    assert more[:2] == first[2:4]


def test_killed_it_goes_on_to_the_same_cells(encoder, ran, tmp_path, monkeypatch):
    data = task_of()
    wanted = run_task(encoder, data, tmp_path / "whole", SETTINGS)

    def kill(cell, there):
        if len(ran) == most:
            raise KeyboardInterrupt

    for most in (1, 4):
        ran.clear()
        with pytest.raises(KeyboardInterrupt):
            run_task(encoder, data, tmp_path / "killed", SETTINGS, advance=kill)
        assert len(ran) == most
    ran.clear()
    found = run_task(encoder, data, tmp_path / "killed", SETTINGS)
    assert ran == [("head", 1)]
    assert [cell._replace(seconds=0) for cell in found] == [cell._replace(seconds=0) for cell in wanted]
    for path in (tmp_path / "whole" / "cells" / "eye").glob("*.npy"):
        np.testing.assert_array_equal(np.load(tmp_path / "killed" / "cells" / "eye" / path.name), np.load(path))


def test_test_rows_choose_nothing(encoder, tmp_path):
    data = task_of()
    turned = replace(data, test=Split(data.test.sequences, 1 - data.test.targets))
    found = [run_task(encoder, each, tmp_path / name, SETTINGS) for each, name in ((data, "a"), (turned, "b"))]
    for one, other in zip(*found, strict=True):
        name = f"cells/eye/{one.method}.{one.fold}.npy"
        np.testing.assert_array_equal(np.load(tmp_path / "a" / name), np.load(tmp_path / "b" / name))
        assert one.test == pytest.approx(-other.test)
        assert (one.validation, one.facts) == (other.validation, other.facts)


@pytest.fixture(scope="module")
def finished(encoder, tmp_path_factory):
    """A folder with one cell each of four methods."""
    folder = tmp_path_factory.mktemp("finished")
    methods = ("probe", "random-probe", "kmer", "cnn")
    run_task(encoder, task_of(), folder, replace(SETTINGS, methods=methods, folds=1))
    return folder


def changed_data():
    data = task_of()
    targets = data.train.targets.copy()
    targets[3] = 1 - targets[3]
    return replace(data, train=Split(data.train.sequences, targets))


FITTED = {"cnn"}
EVERYTHING = {"probe", "random-probe", "kmer", "cnn"}
CHANGES = {
    "seed": (replace(SETTINGS, seed=1), task_of, EVERYTHING),
    "most": (replace(SETTINGS, most=20), task_of, EVERYTHING),
    "share to choose by": (replace(SETTINGS, validation=0.2), task_of, EVERYTHING),
    "steps": (replace(SETTINGS, fit=replace(FIT, steps=3)), task_of, FITTED),
    "a label": (SETTINGS, changed_data, EVERYTHING),
    "test rows": (SETTINGS, lambda: task_of(test=19), EVERYTHING),
}


@pytest.mark.parametrize("change", CHANGES)
def test_cells_of_something_else_are_refused(encoder, finished, change):
    settings, data, refused = CHANGES[change]
    for method in EVERYTHING:
        asked = replace(settings, methods=(method,), folds=1)
        if method not in refused:
            assert run_task(encoder, data(), finished, asked)
            continue
        said = rf"{method}\.0\.json: run with other settings, data or weights; another --out, or this file removed"
        with pytest.raises(SettingsError, match=said):
            run_task(encoder, data(), finished, asked)


def test_cells_of_other_weights_are_refused_where_weights_matter(model, finished, tmp_path):
    other = deepcopy(model)
    other.final_norm.weight.data += 0.1
    encoder = load_model(save_model(other, tmp_path / "m"), device="cpu")
    with pytest.raises(SettingsError, match=r"probe\.0\.json: run with other"):
        run_task(encoder, task_of(), finished, replace(SETTINGS, methods=("probe",), folds=1))
    settings = replace(SETTINGS, methods=("random-probe", "kmer", "cnn"), folds=1)
    assert len(run_task(encoder, task_of(), finished, settings)) == 3


def test_a_model_that_is_in_no_folder_is_known_by_its_weights(model, tmp_path):
    settings = replace(SETTINGS, methods=("probe",), folds=1)
    first = run_task(model, task_of(), tmp_path, settings)
    assert run_task(deepcopy(model), task_of(), tmp_path, settings) == first
    other = deepcopy(model)
    other.final_norm.weight.data += 0.1
    with pytest.raises(SettingsError, match=r"probe\.0\.json: run with other"):
        run_task(other, task_of(), tmp_path, settings)


def test_cells_of_other_places_are_refused(encoder, tmp_path):
    settings = replace(SETTINGS, methods=("kmer",), folds=1)
    run_task(encoder, placed(20, 20, 20)[0], tmp_path, settings)
    with pytest.raises(SettingsError, match=r"kmer\.0\.json: run with other"):
        run_task(encoder, placed(10, 30, 20)[0], tmp_path, settings)


@pytest.mark.parametrize("text", ['{"key": ', "[]", "{}", '{"key": "x", "task": "eye"}'])
def test_a_damaged_cell_is_told_of(encoder, tmp_path, text):
    path = tmp_path / "cells" / "eye" / "kmer.0.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"kmer\.0\.json: not a finished cell .*; remove it"):
        run_task(encoder, task_of(), tmp_path, replace(SETTINGS, methods=("kmer",)))


def test_test_rows_that_cannot_be_scored_are_told_of_first(encoder, ran, tmp_path):
    data = task_of()
    data = replace(data, test=Split(data.test.sequences, np.zeros(20, dtype=np.int64)))
    with pytest.raises(InputError, match="eye: test: classes: all known targets are of one class"):
        run_task(encoder, data, tmp_path, replace(SETTINGS, methods=("kmer",)))
    assert ran == []


@pytest.mark.parametrize("rate", [float("nan"), 0.0, -1.0, float("inf")])
def test_rates_are_checked_before_anything_is_run(rate):
    with pytest.raises(SettingsError, match="of full; above 0 would work"):
        replace(SETTINGS, rates={"full": rate})


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
def test_the_audit_sees_the_rows_as_they_are_used(kind):
    data = task_of(kind, train=100, test=None)
    found = audit_task(data, replace(SETTINGS, most=50))
    assert (found["train"]["rows"], found["test"]["rows"]) == (50, 20)
    assert found["exact_duplicates"]["test_rows"] == 0
    json.dumps(found)
    train, test = hold_out(data, SETTINGS)
    copied = Split(test.sequences[:10] + train.sequences[:10], np.concatenate([test.targets[:10], train.targets[:10]]))
    found = audit_task(replace(data, test=copied), replace(SETTINGS))
    assert found["exact_duplicates"]["test_rows"] == 20
    assert found["verdict"] == "FAIL"


def test_the_audit_of_contigs_finds_no_row_on_both_sides():
    found = audit_task(placed(20, 20, 20)[0], SETTINGS)
    assert found["position_leakage"]["overlapping"] == 0
    assert found["position_leakage"]["on_chromosomes_in_both"] == 0


MISTAKES = {
    "methods forest; probe, mlp, head": {"methods": ("probe", "forest")},
    "methods none": {"methods": ()},
    "methods probe, probe; each once would work": {"methods": ("probe", "probe")},
    "folds from 1": {"folds": 0},
    "seed from 0": {"seed": -1},
    "shares between 0 and 1": {"validation": 1.0},
    "and 1, most from 10": {"most": 0},
    "most from 10 would work": {"most": 9},
}


@pytest.mark.parametrize("said", MISTAKES)
def test_settings_that_cannot_be(said):
    with pytest.raises(SettingsError, match=said):
        BenchmarkSettings(**MISTAKES[said])
    assert BenchmarkSettings(most=10, test_share=0.99).most == 10


def test_rates_of_methods(encoder, tmp_path, monkeypatch):
    seen = []

    def spy(self, method, learn, choose, fit):
        seen.append((method, fit.rate))
        raise KeyboardInterrupt

    monkeypatch.setattr(Methods, "run", spy)
    for number, method in enumerate(("ia3", "full", "random-full", "cnn", "cnn")):
        rates = {"full": 3e-4} if number < 4 else {"cnn": 0.5}
        with pytest.raises(KeyboardInterrupt):
            run_task(encoder, task_of(), tmp_path, replace(SETTINGS, methods=(method,), rates=rates))
    assert seen == [("ia3", 3e-3), ("full", 3e-4), ("random-full", 1e-4), ("cnn", 1e-3), ("cnn", 0.5)]
    with pytest.raises(SettingsError, match="methods forest"):
        replace(SETTINGS, rates={"forest": 1.0})


def test_a_sequence_beyond_the_model_is_told_of_before_anything_is_learnt(encoder, ran, tmp_path):
    data = task_of()
    long = replace(data, test=Split([*data.test.sequences[:-1], "A" * 700], data.test.targets))
    with pytest.raises(SequenceError, match=r"700 bases \(row 20\) is 120 tokens; the model reads 99"):
        run_task(encoder, long, tmp_path, replace(SETTINGS, methods=("kmer", "probe")))
    assert ran == []
    assert run_task(encoder, long, tmp_path, replace(SETTINGS, methods=("kmer",)))


def test_folds_of_one_class_are_shuffled_again(encoder, ran, tmp_path):
    data = task_of()
    rare = np.zeros(60, dtype=np.int64)
    rare[:5] = 1
    few = replace(data, train=Split(data.train.sequences, rare))
    settings = replace(SETTINGS, methods=("head",), folds=6)
    plain = [split_fold(60, fold, settings)[1] for fold in range(6)]
    assert any(not rare[rows].any() for rows in plain), "or this tests nothing"
    cells = run_task(encoder, few, tmp_path, settings)
    assert len(cells) == 6
    rare[1:] = 0
    with pytest.raises(InputError, match=r"fold 0: in 100 shuffles of 60 rows .* \(10%\) were all alike"):
        run_task(encoder, replace(data, train=Split(data.train.sequences, rare)), tmp_path / "b", settings)
