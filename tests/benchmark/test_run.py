"""A suite from end to end, with checkpoints of both published layouts."""

import numpy as np
import pandas as pd
import pytest
import torch
from tests.benchmark.test_methods import drawn

from hexamer.benchmark import BenchmarkSettings, run_benchmark
from hexamer.benchmark.methods import METHODS
from hexamer.errors import SettingsError
from hexamer.model import ModelConfig, NucleotideTransformer, load_model, save_model
from hexamer.training.fitting import FitSettings

FIT = FitSettings(steps=2, batch=4, evaluate_every=1)
SUITE = """
[[tasks]]
name = "eye"
classes = ["low", "high"]

[[tasks]]
name = "wing"
kind = "values"
classes = ["gc"]
metric = "pearson"

[[tasks]]
name = "ends"
kind = "bases"
classes = ["none", "site"]
metric = "auprc"
"""


@pytest.fixture
def flies(tmp_path):
    (tmp_path / "flies").mkdir()
    (tmp_path / "flies" / "suite.toml").write_text(SUITE)
    for name, kind in (("eye", "classes"), ("wing", "values"), ("ends", "classes")):
        (tmp_path / "flies" / name).mkdir()
        for split, count, seed in (("train", 40, 1), ("test", 20, 2)):
            rows = drawn(kind, count, seed)
            labels = rows.targets.ravel().tolist()
            if name == "ends":
                labels = ["".join("1" if base == "G" else "0" for base in each) for each in rows.sequences]
            table = pd.DataFrame({"sequence": rows.sequences, "label": labels})
            table.to_csv(tmp_path / "flies" / name / f"{split}.csv", index=False)
    return tmp_path / "flies"


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_every_method_with_a_checkpoint_of_each_layout(layout, flies, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("hexamer.benchmark.baselines", fromlist=["x"]).CHANNELS, "cnn-large", 65)
    torch.manual_seed(1)
    config = ModelConfig(layers=2, width=16, heads=2, ffn=24, layout=layout, max_tokens=40)
    folder = save_model(NucleotideTransformer(config), tmp_path / layout)
    model = load_model(folder, device="cpu")
    pooled = [each for each in METHODS if each != "weight-array"]
    of_bases = [each for each in METHODS if each.removeprefix("random-") not in ("probe", "mlp", "kmer")]
    told = []
    for tasks, methods in ((("eye", "wing"), pooled), (("ends",), of_bases)):
        settings = BenchmarkSettings(methods=tuple(methods), folds=1, fit=FIT)
        found = run_benchmark(model, flies, flies, tmp_path / "out", tasks=tasks, settings=settings, tell=told.append)
        assert [(cell.task, cell.method) for cell in found.cells] == [(t, m) for t in tasks for m in methods]
        assert np.isfinite([cell.test for cell in found.cells if cell.task != "wing"]).all()
        assert list(found.audits) == list(tasks)
        assert len(found.summary()) == len(found.cells) == len(found.table())
        assert len(found.differences(methods[0])) == len(tasks) * (len(methods) - 1)
        assert set(found.scores()["task"]) == set(tasks)
        assert found.summary()["low"].notna().any()
    assert [line.split(": ")[0] for line in told if "audit" in line] == ["eye", "wing", "ends"]
    after = load_model(folder, device="cpu").state_dict()
    assert all(torch.equal(value, after[name]) for name, value in model.state_dict().items()), "the encoder stays"


def test_what_is_wrong_is_told_before_anything_is_run(model, flies, tmp_path):
    settings = BenchmarkSettings(methods=("kmer",), folds=1, fit=FIT)
    with pytest.raises(SettingsError, match="methods kmer: not for tasks of bases"):
        run_benchmark(model, flies, flies, tmp_path / "out", settings=settings)
    assert not (tmp_path / "out").exists()
    with pytest.raises(SettingsError, match="there is no task 'ear'"):
        run_benchmark(model, flies, flies, tmp_path / "out", tasks=("ear",), settings=settings)
