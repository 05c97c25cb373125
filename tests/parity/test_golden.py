"""The original implementation's numbers, recomputed: tokens, each layer, attention maps and logits.

tests/parity/golden holds tiny checkpoints and what the original computes from them in float32 (make_golden.py says how
they were cut down). The whole ones are checked where they are, and those in the folder that the variable HEXAMER_GOLDEN
names. `pytest -s` prints the largest difference of each array. In layers before the last, values reach 40, so that
float32 alone is worth 8e-5.
"""

import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from hexamer.model import NucleotideTransformer, load_model

HERE = Path(__file__).parent / "golden"
WHOLE = Path(__file__).resolve().parents[2].parent / "shared" / "golden"
MODELS = ("nt-v1-tiny", "nt-v2-tiny", "codon-nt-tiny")
TOLERANCE = 1e-4
BY_ROW = ("esm.embeddings.word_embeddings.weight", "lm_head.decoder.weight", "lm_head.bias")


def golden_folders() -> list:
    """The repository's own always, the whole ones where they are, and those of a folder that is named."""
    found = [pytest.param(HERE / name, id=f"{name}-here") for name in MODELS]
    missing = pytest.mark.skip(f"NOT CHECKED ON THE WHOLE GOLDEN NUMBERS: there is no folder {WHOLE}")
    marks = [] if WHOLE.is_dir() else [missing]
    found += [pytest.param(WHOLE / name, id=f"{name}-whole", marks=marks) for name in MODELS]
    if named := os.environ.get("HEXAMER_GOLDEN"):
        folders = sorted(path.parent for path in Path(named).glob("*/expected.safetensors"))
        assert folders, f"HEXAMER_GOLDEN={named} holds no golden folders"
        found += [pytest.param(folder, id=f"{folder.name}-named") for folder in folders]
    return found


class Golden(NamedTuple):
    model: NucleotideTransformer
    sequences: list[str]
    expected: dict[str, np.ndarray]
    columns: np.ndarray
    """Columns of the logits that are stored."""


def whole_folder(source: Path, target: Path) -> tuple[Path, np.ndarray | None]:
    """The model folder of a golden folder; where it was cut down, the rows that were left out are filled with NaN."""
    if not (source / "thin.safetensors").exists():
        return source, None
    weights = load_file(source / "thin.safetensors")
    rows = weights.pop("rows")
    vocabulary = json.loads((source / "config.json").read_text())["vocab_size"]
    for name in BY_ROW:
        full = np.full((vocabulary, *weights[name].shape[1:]), np.nan, dtype=np.float32)
        full[rows] = weights[name]
        weights[name] = full
    target.mkdir()
    for name in ("config.json", "vocab.txt"):
        shutil.copyfile(source / name, target / name)
    save_file(weights, target / "model.safetensors")
    return target, rows


@pytest.fixture(params=golden_folders())
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Golden:
    source = request.param
    folder, rows = whole_folder(source, tmp_path / "model")
    model = load_model(folder, device="cpu")
    return Golden(
        model,
        json.loads((source / "sequences.json").read_text())["sequences"],
        load_file(source / "expected.safetensors"),
        np.arange(model.config.vocabulary_size) if rows is None else rows,
    )


def test_tokens_are_equal(case: Golden):
    wanted = case.expected["plain.input_ids"]
    assert len(case.sequences) == len(wanted)
    for ids, expected in zip(case.model.tokenizer.encode(case.sequences), wanted, strict=True):
        assert ids.tolist() == expected[expected != 1].tolist()
        assert (expected[len(ids) :] == 1).all()
    masked = case.expected["masked.input_ids"]
    assert set(masked[masked != wanted].tolist()) == {2}, "and some are masked in the second run"


@pytest.mark.parametrize("run", ["plain", "masked"])
def test_numbers_are_equal(case: Golden, run: str, request: pytest.FixtureRequest):
    model, expected = case.model, case.expected
    ids = torch.as_tensor(expected[f"{run}.input_ids"])
    real = (ids != 1).numpy()
    layers = range(1, model.config.layers + 1)
    found = model(ids, layers=layers, attentions=((1, 1), (2, 2)))  # layer and head of each map are equal
    assert found.logits is not None

    places = expected["logit_positions"]
    both = real[:, :, None] & real[:, None, :]
    pairs = {f"{run}.hidden_{i}": (found.hidden[i].numpy(), real) for i in layers}
    pairs |= {f"{run}.attention_layer{i}_head{i}": (found.attentions[(i, i)].numpy(), both) for i in (1, 2)}
    pairs[f"{run}.logits"] = (found.logits.numpy()[:, places][..., case.columns], real[:, places])
    assert set(pairs) == {name for name in expected if name.startswith(run)} - {f"{run}.input_ids"}
    for name, (array, compared) in pairs.items():
        difference = np.abs(array - expected[name])[compared]
        assert difference.size
        print(f"\n{request.node.callspec.id} {name}: {difference.max():.1e}", end="")
        assert difference.max() <= TOLERANCE, name
        # The numbers say something: they are much larger than what they may differ by.
        assert np.abs(expected[name][compared]).max() > 1000 * TOLERANCE, name


def test_the_repository_holds_the_published_vocabularies():
    assert sorted(path.name for path in HERE.iterdir()) == sorted(MODELS)
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file()) < 3_000_000
    assert [(HERE / name / "vocab.txt").stat().st_size for name in MODELS] == [28_718, 28_718, 302]
