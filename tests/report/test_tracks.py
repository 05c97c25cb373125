import base64
import gzip
from collections import Counter

import numpy as np
import pandas as pd
import pybigtools
import pytest

from hexamer.errors import InputError
from hexamer.genome import Annotation, Interval
from hexamer.interpretation import ScoredStretch, Stretch
from hexamer.report.scored import Scored
from hexamer.report.tracks import find_signal, gene_track, letter_track, signal_track, variant_tracks


def unpack(url):
    return gzip.decompress(base64.b64decode(url.partition(",")[2])).decode()


def test_variants_and_scores_in_the_slices(genome):
    rows = pd.DataFrame(
        {"chrom": "chr20", "pos": [11, 12, 100], "id": ["<b a=1>", "", ""], "ref": "A", "alt": "C",
         "llr": [-1.5, np.nan, 3], "reason": ["", "symbolic", ""]}
    )  # fmt: skip
    scored = Scored(rows, ["llr"], {}, Counter(), np.zeros(0, np.float32))
    variants, llr = variant_tracks(scored, [Interval("20", 0, 50)], genome)
    assert unpack(variants["url"]).splitlines()[2:] == [
        "20\t11\t‹b\xa0a=1›\tA\tC\t.\t.\tllr=-1.5", "20\t12\t.\tA\tC\t.\t.\treason=symbolic"
    ]  # fmt: skip
    assert unpack(llr["url"]) == "20\t10\t11\t-1.5"
    assert variant_tracks(scored, [Interval("20", 200, 250)], genome) == []


def test_letters_are_those_of_the_reference(genome):
    stretch = Stretch("r", "chr20", "+", "ACGT", np.array([10, -1, 11, 700]))
    scored = [ScoredStretch(stretch, np.array([-1.5, 9.0, 3.0, 2.0]))]
    letters = letter_track(scored, [Interval("20", 0, 500)], genome, name="importance")
    assert letters is not None
    assert (letters["graphType"], unpack(letters["url"])) == ("dynseq", "20\t10\t11\t-1.5\n20\t11\t12\t3")
    assert letter_track(scored, [Interval("20", 2000, 2500)], genome, name="importance") is None


def test_genes_have_one_transcript(genome, tmp_path):
    def row(kind, start, end, transcript, gene="g"):
        names = f'gene_id "{gene}"; transcript_id "{transcript}"; gene_name "N{gene}";'
        return f"20\tx\t{kind}\t{start}\t{end}\t.\t+\t.\t{names}"

    rows = [
        row("exon", 101, 200, "a"),
        row("exon", 301, 900, "a"),
        row("exon", 101, 220, "b"),
        row("CDS", 151, 200, "b"),
    ]
    (tmp_path / "g.gtf").write_text("\n".join([*rows, row("exon", 5001, 5100, "c", "far")]) + "\n")
    track = gene_track(Annotation(tmp_path / "g.gtf", genome), [Interval("20", 0, 1000)])
    assert track is not None
    assert unpack(track["url"]) == "20\t100\t220\tNg\t0\t+\t150\t200\t0\t1\t120\t0"
    assert gene_track(Annotation(tmp_path / "g.gtf", genome), [Interval("20", 2000, 3000)]) is None


def test_signals_in_the_slices(genome, tmp_path):
    path = tmp_path / "x.entropy.bw"
    values = [("chr20", i, i + 1, float(i)) for i in range(100, 200)]
    pybigtools.open(str(path), "w").write({"chr20": 9000, "other": 10}, iter(values))
    found = signal_track(path, [Interval("20", 150, 152)], genome)
    assert found is not None
    assert (found["name"], found["max"], unpack(found["url"])) == (
        "x.entropy",
        2,
        "20\t150\t151\t150\n20\t151\t152\t151",
    )
    assert signal_track(path, [Interval("20", 1150, 1152)], genome) is None
    assert find_signal(path, genome, most=30) == Interval("20", 100, 130)
    (tmp_path / "bad.bw").write_text("no")
    with pytest.raises(InputError, match=r"bad\.bw: cannot be read as bigWig"):
        signal_track(tmp_path / "bad.bw", [Interval("20", 1, 2)], genome)
