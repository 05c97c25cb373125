import json

import numpy as np
import pandas as pd
import pytest

from hexamer.errors import InputError
from hexamer.report.blocks import Picture, Text
from hexamer.report.inputs import find_results
from hexamer.report.scored import read_scored
from hexamer.report.sections import describe_scored, make_section

BASES = "ACGT" * 5


def mutagenesis(**more):
    rows = [
        {"name": "r", "chrom": "20", "pos": 101 + i, "ref": ref, "alt": alt, "llr": -0.1 * i, "reason": ""} | more
        for i, ref in enumerate(BASES)
        for alt in "ACGT"
        if alt != ref
    ]
    return pd.DataFrame(rows)


def attention():
    rows = [
        {"element": name, "layer": layer, "head": head, "share": 0.2 + 0.1 * head, "background": 0.2,
         "z": float(head * layer), "p_adjusted": 0.01, "enriched": head == 1, "windows": 5, "pairs": 50}
        for name in ("exon", "intron") for layer in (1, 2) for head in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def dependency():
    pairs = [(i, j) for i in range(11, 21) for j in range(11, 21) if i != j]
    return pd.DataFrame(pairs, columns=["pos_changed", "pos_expected"]).assign(chrom="20", name="r", strength=0.5)


def attribution():
    return pd.DataFrame({"name": "r", "chrom": "20", "strand": "+", "offset": range(20), "pos": range(101, 121),
                         "inserted": 0, "base": list(BASES), "attribution": np.linspace(-1, 1, 20)})  # fmt: skip


def projection():
    draw = np.random.default_rng(0)
    return pd.DataFrame({"name": "w", "element": ["cds", "intron"] * 10, "x": draw.normal(size=20),
                         "y": draw.normal(size=20)})  # fmt: skip


def language_model():
    return pd.DataFrame([{"genome": "g", "element": "all", "loss": 7.5, "loss_low": 7.4, "loss_high": 7.6}])


TABLES = {
    "saturation-mutagenesis": (mutagenesis, "Largest: T120A, -1.9"),
    "attention-elements": (attention, "exon: 2 of 4 heads, background 20.0%"),
    "dependency-map": (dependency, "Dependency map of r, 10 bases"),
    "attribute": (attribution, "Attribution of 20 bases of r; largest at 101: -1"),
    "project": (projection, "20 embeddings, a dot each. cds: 10; intron: 10"),
    "evaluate-lm": (language_model, "g 7.500"),
}


def section_of(path):
    (finding,), skipped = find_results([path])
    assert not skipped
    return make_section(finding, 3)


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_drawn_and_told(kind, tmp_path):
    make, alt = TABLES[kind]
    make().to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    section = section_of(tmp_path / "t.tsv")
    assert section.anchor == "part-3"
    assert section.title.endswith(": t.tsv")
    (picture,) = [block for block in section.blocks if isinstance(block, Picture)]
    assert alt in picture.alt


def test_maps_of_heads(tmp_path):
    weights = np.random.default_rng(0).random((10, 10)).astype(np.float32)
    arrays = {f"0/layer{n}_head{h}": weights for n in (1, 2, 3, 4) for h in range(4)}
    np.savez(tmp_path / "m.npz", **arrays, **{"0/name": "20:1-60", "0/layer1_head0_cls": weights[0]})
    (picture,) = section_of(tmp_path / "m.npz").blocks
    assert "12 heads: layer 1, head 0;" in picture.alt
    assert "The first 12 of 16 maps" in picture.caption
    np.savez(tmp_path / "n.npz", x=weights)
    with pytest.raises(InputError, match=r"n\.npz: no map of a stretch"):
        section_of(tmp_path / "n.npz")


def test_the_agreement_of_the_fast_way_is_told(tmp_path):
    mutagenesis().to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    told = {"changes": 60.0, "pearson": 0.99, "spearman": 0.98, "difference": 0.05, "first": "r"}
    (tmp_path / "t.tsv.manifest.json").write_text(json.dumps({"agreement": told}))
    text, _ = section_of(tmp_path / "t.tsv").blocks
    assert "on 60 substitutions: Pearson 0.9900, Spearman 0.9800" in text.text


def test_only_some_regions_are_drawn(tmp_path):
    tables = [mutagenesis(name=f"r{i}") for i in range(10)]
    pd.concat(tables).to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    blocks = section_of(tmp_path / "t.tsv").blocks
    assert sum(isinstance(block, Picture) for block in blocks) == 8
    assert blocks[-1] == Text("2 more regions are in the file.")


def test_inserted_bases_have_places_of_their_own(tmp_path):
    table = mutagenesis()
    table.insert(3, "inserted", np.where(table["pos"] == 105, 1, 0))
    table.loc[table["inserted"] == 1, "pos"] = 104
    table.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    (picture,) = section_of(tmp_path / "t.tsv").blocks
    assert "importance of 20 bases" in picture.alt


def test_variants_are_counted(tmp_path):
    rows = [("20", i, "A", "C", -0.5 * i, "", 0.001 * i) for i in range(1, 20)] + [
        ("20", 30, "A", "*", None, "star", None)
    ]
    table = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "llr", "reason", "AF"])
    table.to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    counts, spread, frequency = describe_scored(read_scored(tmp_path / "s.tsv"))
    assert counts.rows == [["scored", "19", "95.0%"], ["star", "1", "5.0%"]]
    assert "medians: llr -5" in spread.alt
    assert "0.5 to 5 %: -6.25 (14)" in frequency.alt
