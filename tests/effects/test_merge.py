import json
import random

import pytest
from tests.effects.conftest import MANY_HEADER

from hexamer.effects import ScoreSettings, Shard, annotate_variants, merge
from hexamer.effects.writers import ParquetWriter
from hexamer.errors import InputError, OutputError

KINDS = ["vcf", "vcf.gz", "bcf", "tsv", "tsv.gz", "parquet"]
SETTINGS = ScoreSettings(scores=("llr", "l2"))


def score(genome, path, out, **options):
    return annotate_variants(None, genome, path, out, **{"settings": SETTINGS, **options})


def shards_of(genome, path, folder, kind, of, **options):
    paths = [folder / f"s{index}.{kind}" for index in range(1, of + 1)]
    for index, out in enumerate(paths, start=1):
        score(genome, path, out, shard=Shard(index, of), **options)
    return paths


@pytest.fixture(autouse=True)
def _without_model(without_model, monkeypatch):
    monkeypatch.setattr("hexamer.effects.annotate.describe_model", lambda model: DESCRIBED)
    monkeypatch.setattr(ScoreSettings, "describe", lambda self, model: dict.fromkeys(self.scores, "a score"))
    monkeypatch.setattr(ScoreSettings, "bases_read", lambda self, model: self.window)


DESCRIBED = {"source": "x", "files": {"w": "0" * 64}, "precision": "exact", "config": {}}


def manifest_of(path):
    return json.loads(path.with_name(path.name + ".manifest.json").read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_shards_together_are_the_file_of_one_run(genome, many, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(ParquetWriter, "_GROUP", 700)
    whole = tmp_path / f"whole.{kind}"
    once = score(genome, many, whole)
    for of in (1, 2, 3, 7, 12):
        (tmp_path / str(of)).mkdir()
        shards = shards_of(genome, many, tmp_path / str(of), kind, of)
        random.Random(of).shuffle(shards)
        merged = tmp_path / f"merged{of}.{kind}"
        assert merge(shards, merged) == once
        assert merged.read_bytes() == whole.read_bytes()
        for suffix in (".tbi", ".csi"):
            index, other = (path.with_name(path.name + suffix) for path in (merged, whole))
            assert index.exists() == other.exists()
            assert not index.exists() or index.read_bytes() == other.read_bytes()
        facts, expected = (manifest_of(path) for path in (merged, whole))
        for name in (
            "records",
            "alleles",
            "reasons",
            "forwards",
            "run",
            "shard",
            "settings",
            "window_read",
            "definitions",
        ):
            assert facts[name] == expected[name]
        assert len(facts["merged"]) == of


def test_a_file_without_records_has_shards_too(genome, tmp_path):
    path = tmp_path / "in.vcf"
    path.write_text("\n".join(MANY_HEADER) + "\n")
    for kind in KINDS:
        score(genome, path, tmp_path / f"whole.{kind}")
        merge(shards_of(genome, path, tmp_path, kind, 2), tmp_path / f"merged.{kind}")
        assert (tmp_path / f"merged.{kind}").read_bytes() == (tmp_path / f"whole.{kind}").read_bytes()


def test_shards_of_regions(genome, many, tmp_path):
    score(genome, many, tmp_path / "whole.tsv", regions="20:1,000-9,000")
    merge(shards_of(genome, many, tmp_path, "tsv", 3, regions="chr20:1000-9000"), tmp_path / "merged.tsv")
    assert (tmp_path / "merged.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()


def test_a_shard_says_that_it_is_one(genome, many, tmp_path):
    shards = shards_of(genome, many, tmp_path, "vcf", 2)
    lines = [line for line in shards[1].read_text().splitlines() if line.startswith("##hexamer_shard")]
    assert lines == ["##hexamer_shard=<ID=2,Of=2,Piece=256>"]
    # Scored again, it is a whole.
    score(genome, shards[1], tmp_path / "again.vcf")
    assert "hexamer_shard" not in (tmp_path / "again.vcf").read_text()


def test_text_shards_may_be_merged_into_compressed_text_and_to_standard_output(genome, many, tmp_path, capfdbinary):
    score(genome, many, tmp_path / "whole.vcf.gz")
    score(genome, many, tmp_path / "whole.vcf")
    shards = shards_of(genome, many, tmp_path, "vcf", 3)
    merge(shards, tmp_path / "merged.vcf.gz")
    assert (tmp_path / "merged.vcf.gz").read_bytes() == (tmp_path / "whole.vcf.gz").read_bytes()
    merge(shards, "-")
    assert capfdbinary.readouterr().out == (tmp_path / "whole.vcf").read_bytes()


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def cut_at_a_line(path):
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def damage_manifest(path):
    path.with_name(path.name + ".manifest.json").write_text("{}")


def remove_manifest(path):
    path.with_name(path.name + ".manifest.json").unlink()


@pytest.mark.parametrize(
    ("kind", "break_shard", "part"),
    [
        ("vcf", cut, "is not the file that was written: cut, damaged or changed"),
        ("vcf", cut_at_a_line, "is not the file that was written"),
        ("bcf", cut, "is not the file that was written"),
        ("parquet", cut, "is not the file that was written"),
        ("tsv.gz", cut, "is not the file that was written"),
        ("tsv", lambda path: path.unlink(), "no such file"),
        ("tsv", remove_manifest, "s2.tsv.manifest.json is not beside it"),
        ("tsv", damage_manifest, "s2.tsv.manifest.json: is not the manifest of a shard"),
    ],
)
def test_a_shard_that_is_not_whole_is_refused(genome, many, tmp_path, kind, break_shard, part):
    shards = shards_of(genome, many, tmp_path, kind, 2)
    break_shard(shards[1])
    with pytest.raises(InputError, match=part) as caught:
        merge(shards, tmp_path / f"merged.{kind}")
    assert str(shards[1]) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*merged*"))


def test_shards_that_do_not_belong_together_are_refused(genome, many, tmp_path):
    first, second, third = shards_of(genome, many, tmp_path, "tsv", 3)
    out = tmp_path / "merged.tsv"
    with pytest.raises(InputError, match="of 3 shards 2 is missing"):
        merge([first, third], out)
    with pytest.raises(InputError, match="of 3 shards 1, 3 are missing"):
        merge([second], out)
    with pytest.raises(InputError, match=r"s1\.tsv: is shard 1/3, as .*s1\.tsv is; give each shard once"):
        merge([first, second, third, first], out)
    with pytest.raises(InputError, match="no shards are given"):
        merge([], out)
    score(genome, many, tmp_path / "other.tsv", settings=ScoreSettings(window=300), shard="3/3")
    with pytest.raises(InputError, match=r"other\.tsv: is of another run than .*s1\.tsv: other window, scores"):
        merge([first, second, tmp_path / "other.tsv"], out)
    score(genome, many, tmp_path / "fourth.tsv", shard="3/4")
    with pytest.raises(InputError, match="other number of shards"):
        merge([first, second, tmp_path / "fourth.tsv"], out)
    score(genome, many, tmp_path / "whole.tsv")
    with pytest.raises(InputError, match="is no shard, but a whole"):
        merge([first, second, tmp_path / "whole.tsv"], out)
    assert not list(tmp_path.glob("*merged*"))


def test_the_name_of_the_whole(genome, many, tmp_path):
    shards = shards_of(genome, many, tmp_path, "tsv", 2)
    with pytest.raises(OutputError, match=r"is of another kind; one ending \.tsv would work"):
        merge(shards, tmp_path / "merged.vcf")
    before = shards[0].read_bytes()
    with pytest.raises(OutputError, match="is one of the shards"):
        merge(shards, shards[0])
    assert shards[0].read_bytes() == before


def test_a_merged_file_is_finished(genome, many, tmp_path, monkeypatch):
    merge(shards_of(genome, many, tmp_path, "tsv", 2), tmp_path / "merged.tsv")
    monkeypatch.setattr("hexamer.effects.annotate.score_alleles", lambda *_: 1 / 0)
    assert score(genome, many, tmp_path / "merged.tsv", resume=True).kept == 2300
