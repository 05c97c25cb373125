import json
from pathlib import Path

import pytest

from hexamer.manifest import checksum
from hexamer.tokens import GenomeSource, build_corpus
from hexamer.training.provenance import find_corpora, judge_held_out


def write(path: Path, record: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path.parent


def test_a_model_folder_says_it_by_itself_its_checkpoint_in_its_state_its_run_in_the_manifest(tmp_path):
    assert find_corpora(write(tmp_path / "a/training.json", {"corpora": ["x", "y"]})) == ["x", "y"]
    assert find_corpora(write(tmp_path / "b/state.json", {"origin": {"corpora": ["x"]}})) == ["x"]
    write(tmp_path / "run/manifest.json", {"corpora": ["x"]})
    (tmp_path / "run/model").mkdir()
    (tmp_path / "run/other").mkdir()
    assert find_corpora(tmp_path / "run/model") == ["x"]
    assert find_corpora(tmp_path / "run/other") is None
    assert find_corpora(write(tmp_path / "c/training.json", {"corpora": None})) is None


@pytest.mark.parametrize("record", [{}, [], {"corpus_digest": None}, {"origin": {"corpora": ["x"]}}])
def test_nothing_is_known_of_a_folder_that_does_not_say(tmp_path, record):
    assert find_corpora(write(tmp_path / "training.json", record)) is None
    (tmp_path / "training.json").write_text("{")
    assert find_corpora(tmp_path) is None
    assert find_corpora(tmp_path / "none") is None


def test_runs_of_before_are_followed_to_the_model_that_they_started_from(tmp_path):
    first = write(tmp_path / "first/manifest.json", {"corpus_digest": "x"}) / "model"
    first.mkdir()
    (first / "model.safetensors").write_bytes(b"weights")
    started = {"source": str(first), "files": {"model.safetensors": checksum(first / "model.safetensors")}}
    second = write(tmp_path / "second/manifest.json", {"corpus_digest": "y", "started_from": started}) / "model"
    assert find_corpora(second) == ["x", "y"]
    (first / "model.safetensors").write_bytes(b"of another run")
    assert find_corpora(second) is None, "other weights stand there now"
    write(tmp_path / "second/manifest.json", {"corpus_digest": "y", "started_from": {"source": str(tmp_path / "no")}})
    assert find_corpora(second) is None


def test_a_circle_of_runs_ends(tmp_path):
    model = write(tmp_path / "run/model/config.json", {})
    (model / "model.safetensors").write_bytes(b"weights")
    started = {"source": str(model), "files": {"model.safetensors": checksum(model / "model.safetensors")}}
    write(tmp_path / "run/manifest.json", {"corpus_digest": "x", "started_from": started})
    assert find_corpora(model) is None


def test_what_is_held_out_of_a_corpus_may_have_been_seen(species, tmp_path):
    corpus = build_corpus([GenomeSource(fasta=str(species), hold_out=("held",))], tmp_path / "rep.corpus")
    model = write(tmp_path / "model/training.json", {"corpora": [corpus.digest]})
    assert judge_held_out("runs/rr/model", model, corpus) == ("this corpus", "")
    for corpora in (["other"], ["other", corpus.digest]):
        write(tmp_path / "model/training.json", {"corpora": corpora})
        assert judge_held_out("runs/rr/model", model, corpus) == (
            "another corpus",
            f"runs/rr/model learnt from another corpus than {corpus.folder}; "
            "its held-out regions may have been training sequence",
        )
    write(tmp_path / "model/training.json", {})
    assert judge_held_out("hexamer-tiny", model, corpus) == (
        "unknown",
        "held out of the corpus; nothing says that hexamer-tiny did not learn from it",
    )
