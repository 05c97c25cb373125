"""The public names: growing them is a visible line here."""

import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import hexamer

PUBLIC = [
    "Genome",
    "HexamerError",
    "Interval",
    "ModelConfig",
    "NucleotideTransformer",
    "PretrainConfig",
    "Tokenizer",
    "Variant",
    "annotate_variants",
    "attention_elements",
    "attention_map",
    "attribute",
    "audit",
    "build_corpus",
    "build_splice_suite",
    "calibrate",
    "dependency_map",
    "embed",
    "evaluate_effects",
    "evaluate_expression",
    "evaluate_lm",
    "find_motifs",
    "finetune",
    "fit_expression",
    "haplotypes",
    "load_model",
    "load_predictor",
    "merge",
    "predict",
    "predict_expression",
    "pretrain",
    "probe",
    "project",
    "read_intervals",
    "read_variants",
    "run_benchmark",
    "saturation_mutagenesis",
    "save_model",
    "score_variants",
    "train_variants",
    "write_report",
    "write_tracks",
]
FOLDERS = ["genome", "tokens", "model", "embeddings", "training", "effects", "benchmark"]
SLOW = {"torch", "pandas", "pysam", "anndata", "pyarrow", "huggingface_hub", "pydantic", "transformers", "safetensors"}


def test_public_names_are_these_and_sorted():
    assert hexamer.__all__ == sorted(PUBLIC) == PUBLIC
    assert set(dir(hexamer)) == {*PUBLIC, "__version__"}


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_can_be_had_and_says_what_it_is(name: str):
    found = getattr(hexamer, name)
    assert found.__name__ == name
    assert found.__module__.startswith("hexamer.")
    doc = inspect.getdoc(found)
    assert doc
    first = doc.splitlines()[0]
    assert first.endswith(".")
    # A dataclass without a docstring is given its signature in place of one.
    assert not doc.startswith(f"{name}(")
    if inspect.isfunction(found) and inspect.signature(found).parameters:
        for section in ("Parameters\n---", "Returns\n---"):
            assert section in doc, f"{name} has no section {section.splitlines()[0]}"
        for parameter in inspect.signature(found).parameters:
            assert parameter in doc, f"{name} does not explain {parameter}"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_name_lives_in_its_folder_s_public_list(name: str):
    home = import_module(".".join(getattr(hexamer, name).__module__.split(".")[:2]))
    assert not hasattr(home, "__all__") or name in home.__all__


@pytest.mark.parametrize("folder", FOLDERS)
def test_public_names_of_a_folder(folder: str):
    module = import_module(f"hexamer.{folder}")
    names = module.__all__
    assert len(set(names)) == len(names)
    assert all(hasattr(module, name) for name in names)
    assert (module.__doc__ or "").strip()


def test_no_public_name_is_a_folder_s():
    # Python would put the folder in the function's place on first import.
    assert not set(PUBLIC) & {path.stem for path in Path(hexamer.__file__ or "").parent.iterdir()}


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'hexamer' has no attribute 'no_such'"):
        _ = hexamer.no_such


def test_the_version_is_a_word():
    assert isinstance(hexamer.__version__, str)
    assert hexamer.__version__


@pytest.mark.parametrize("statement", ["import hexamer", "import hexamer.cli", "from hexamer import HexamerError"])
def test_imports_are_quick(statement: str):
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "hexamer" in loaded
    assert not loaded & SLOW


def test_help_does_not_load_torch():
    program = (
        "import sys\nfrom hexamer.cli import main\nsys.argv = ['hexamer', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print('ended with', end.code)\n"
        "print('torch loaded:', 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["ended with 0", "torch loaded: False"]
