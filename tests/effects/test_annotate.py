import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields

import numpy as np
import pandas as pd
import pysam
import pytest

from hexamer.effects import ScoreSettings, annotate_variants, merge
from hexamer.effects.journal import journal_path
from hexamer.errors import OutputError, SettingsError, VariantError
from hexamer.genome import Genome
from hexamer.manifest import checksum
from hexamer.model import load_model, save_model

HEADER = [
    "##fileformat=VCFv4.2",
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="Flag">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    "##contig=<ID=20>",
    "##contig=<ID=GL1>",
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tHG1",
]


@pytest.fixture
def rows(genome):
    base = {pos: genome.fetch("20", pos - 1, pos) for pos in (50, 100, 101, 200, 300, 400)}
    other = {pos: "ACGT"[("ACGT".index(b) + 1) % 4] for pos, b in base.items()}
    third = {pos: "ACGT"[("ACGT".index(b) + 2) % 4] for pos, b in base.items()}
    return [
        f"20\t50\trs1\t{base[50]}\t{other[50]}\t100.0\tPASS\tAF=0.50;DB\tGT\t0|1",
        f"20\t100\t.\t{base[100]}\t{other[100]},R,{third[100]}\t.\t.\t.\tGT\t1|2",
        f"20\t101\tx;y\t{other[101]}\t{base[101]}\t1e-3\tq10\tAF=.\tGT\t./.",
        f"20\t200\t.\t{base[200]}\t.\t.\t.\tEND=205\tGT\t0|0",
        f"20\t300\t.\t{base[300]}\t<DEL>\t.\t.\tHX_LLR=9;AF=1\tGT\t0|1",
        f"20\t400\t.\t{base[400].lower()}\t{other[400].lower()}\t.\t.\t\tGT\t0|1",
        "GL1\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1",
    ]


@pytest.fixture
def vcf(tmp_path, rows):
    path = tmp_path / "in.vcf"
    path.write_text("\n".join([*HEADER, *rows]) + "\n")
    return path


def lines_of(path):
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt") as file:
        return [line.rstrip("\n") for line in file]


def test_every_record_comes_back_in_order_with_its_columns(model, genome, vcf, rows, tmp_path):
    out = tmp_path / "out.vcf.gz"
    summary = annotate_variants(model, genome, vcf, out, settings=ScoreSettings(scores=("llr", "l2")))
    got = [line for line in lines_of(out) if not line.startswith("#")]
    assert len(got) == len(rows)
    for before, after in zip((row.split("\t") for row in rows), (line.split("\t") for line in got), strict=True):
        assert before[:7] + before[8:] == after[:7] + after[8:]
        kept = [entry for entry in before[7].split(";") if entry not in ("", ".") and not entry.startswith("HX_")]
        assert after[7].split(";")[: len(kept)] == kept
    info = [dict(entry.partition("=")[::2] for entry in line.split("\t")[7].split(";")) for line in got]
    reasons = [entry.get("HX_REASON") for entry in info]
    assert reasons == [None, ".,iupac,.", "ref_mismatch", "missing", "symbolic", None, "contig_missing"]
    assert [len(entry["HX_L2"].split(",")) for entry in info if "HX_L2" in entry] == [1, 3, 1]
    assert info[1]["HX_LLR"].split(",")[1] == "."
    assert "HX_LLR" not in info[4], "an old score was left beside a reason"
    assert (summary.records, summary.alleles, summary.reasons[""]) == (7, 9, 4)
    manifest = json.loads((tmp_path / "out.vcf.gz.manifest.json").read_text())
    assert sum(manifest["reasons"].values()) == 9
    assert manifest["reasons"]["scored"] == 4


def test_the_header_says_what_scores_were_computed_with(model, genome, vcf, tmp_path):
    settings = ScoreSettings(anchor="variant", window=300)
    annotate_variants(model, genome, vcf, tmp_path / "out.vcf", settings=settings)
    (line,) = (line for line in lines_of(tmp_path / "out.vcf") if line.startswith("##hexamer="))
    assert line.startswith("##hexamer=<ID=score_variants,Version=")
    facts = dict(part.split("=", 1) for part in line.removeprefix("##hexamer=<").removesuffix(">").split(","))
    for one in fields(ScoreSettings):
        name = one.name.title().replace("_", "")
        if one.name in ("scores", "token_budget"):
            assert name not in facts
        else:
            assert facts[name] == str(getattr(settings, one.name))
    assert facts["WindowRead"] == "300"
    assert facts["Precision"] == "exact"
    assert facts["Genome"] == "small.fa"
    assert facts["GenomeSHA256"] == checksum(genome.path)[:16]


def test_the_header_says_what_was_read_of_the_window(model, genome, vcf, tmp_path):
    annotate_variants(model, genome, vcf, tmp_path / "out.tsv")
    assert ",Window=6000," in (tmp_path / "out.tsv").read_text()
    assert ",WindowRead=594," in (tmp_path / "out.tsv").read_text()
    assert json.loads((tmp_path / "out.tsv.manifest.json").read_text())["window_read"] == 594


def test_htslib_reads_the_output_and_its_index(model, genome, vcf, tmp_path):
    out = tmp_path / "out.vcf.gz"
    annotate_variants(model, genome, vcf, out)
    with pysam.VariantFile(str(out)) as file:
        assert file.header.info["HX_LLR"].number == "A"
        found = [record.pos for record in file.fetch("20", 99, 101)]
        assert found == [100, 101]
    assert [line for line in lines_of(out) if line.startswith("#")][: len(HEADER) - 1] == HEADER[:-1]


def test_scoring_twice_replaces_scores(model, genome, vcf, tmp_path):
    first, second = tmp_path / "1.vcf", tmp_path / "2.vcf"
    annotate_variants(model, genome, vcf, first)
    annotate_variants(model, genome, first, second)
    assert lines_of(first) == lines_of(second)


def test_every_kind_of_file_holds_the_same_float32(model, genome, vcf, tmp_path):
    settings = ScoreSettings(scores=("llr", "cosine"), pool="mean")
    for name in ("x.vcf", "x.tsv", "x.parquet"):
        annotate_variants(model, genome, vcf, tmp_path / name, settings=settings)
    exact = pd.read_parquet(tmp_path / "x.parquet")[["llr", "cosine"]].to_numpy("float32")
    tsv = pd.read_csv(tmp_path / "x.tsv", sep="\t", comment="#", dtype={"llr": "float32", "cosine": "float32"})
    np.testing.assert_array_equal(tsv[["llr", "cosine"]].to_numpy(), exact)
    info = [line.split("\t")[7] for line in lines_of(tmp_path / "x.vcf") if not line.startswith("#")]
    cosines = [
        x for entry in info if "HX_COSINE" in entry for x in entry.split("HX_COSINE=")[1].split(";")[0].split(",")
    ]
    np.testing.assert_array_equal(np.float32([x for x in cosines if x != "."]), exact[~np.isnan(exact[:, 1]), 1])


def test_scores_of_an_earlier_run_are_removed_even_under_other_names(model, genome, vcf, tmp_path):
    annotate_variants(model, genome, vcf, tmp_path / "1.vcf", settings=ScoreSettings(scores=("llr", "l2")))
    annotate_variants(model, genome, tmp_path / "1.vcf", tmp_path / "2.vcf")
    assert "HX_L2" not in (tmp_path / "2.vcf").read_text()


def test_the_input_is_never_overwritten(model, genome, vcf):
    before = vcf.read_bytes()
    with pytest.raises(OutputError, match="is the input itself"):
        annotate_variants(model, genome, vcf, vcf)
    assert vcf.read_bytes() == before


def test_tables_have_a_row_per_allele(model, genome, vcf, tmp_path):
    for name in ("x.tsv", "x.tsv.gz", "x.parquet"):
        annotate_variants(model, genome, vcf, tmp_path / name)
    tsv = pd.read_csv(tmp_path / "x.tsv", sep="\t", comment="#", keep_default_na=False, na_values=[""])
    assert lines_of(tmp_path / "x.tsv") == lines_of(tmp_path / "x.tsv.gz")
    parquet = pd.read_parquet(tmp_path / "x.parquet")
    assert list(parquet.columns) == ["record", "chrom", "pos", "id", "ref", "alt", "llr", "llr_sd", "reason"]
    assert len(parquet) == len(tsv) == 9
    pd.testing.assert_series_equal(parquet["llr"], tsv["llr"], check_dtype=False, atol=1e-4)
    assert parquet["reason"].tolist() == tsv["reason"].fillna("").tolist()


def test_an_unsorted_file_is_written_without_an_index(model, genome, rows, tmp_path):
    path, out = tmp_path / "in.vcf", tmp_path / "out.vcf.gz"
    path.write_text("\n".join([*HEADER, *rows[::-1]]) + "\n")
    (tmp_path / "out.vcf.gz.tbi").write_text("an old index")
    assert annotate_variants(model, genome, path, out).indexed is False
    assert not (tmp_path / "out.vcf.gz.tbi").exists()
    assert len([line for line in lines_of(out) if not line.startswith("#")]) == 7


def test_a_file_without_records_gives_a_file_without_records(model, genome, tmp_path):
    path = tmp_path / "in.vcf"
    path.write_text("\n".join(HEADER) + "\n")
    for name in ("o.vcf.gz", "o.vcf", "o.tsv", "o.parquet"):
        assert annotate_variants(model, genome, path, tmp_path / name).records == 0
    assert len(pd.read_parquet(tmp_path / "o.parquet")) == 0


def test_a_damaged_input_leaves_nothing_behind(model, genome, vcf, tmp_path):
    with vcf.open("a") as file:
        file.write("20\tfive\t.\tA\tC\t.\t.\t.\tGT\t0|1\n")
    before = {p.name for p in tmp_path.iterdir()}
    with pytest.raises(VariantError, match=r"in\.vcf:15: POS is "):
        annotate_variants(model, genome, vcf, tmp_path / "out.vcf.gz")
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_wrong_ending_is_refused(model, genome, vcf, tmp_path):
    with pytest.raises(OutputError, match=r"out\.txt: scored variants are written as \.vcf, \.vcf\.gz"):
        annotate_variants(model, genome, vcf, tmp_path / "out.txt")


def test_definitions_and_counts_of_a_run_stand_beside_it(model, genome, vcf, tmp_path):
    annotate_variants(model, genome, vcf, tmp_path / "o.tsv", shard="1/2", regions="20:1-250")
    manifest = json.loads((tmp_path / "o.tsv.manifest.json").read_text())
    assert manifest["output"]["sha256"] == checksum(tmp_path / "o.tsv")
    assert manifest["shard"] == {"index": 1, "of": 2}
    assert manifest["regions"] == ["20:1-250"]
    assert manifest["records"] == 4
    assert {path.name for path in tmp_path.iterdir()} == {"in.vcf", "o.tsv", "o.tsv.manifest.json"}


# Regions


@pytest.mark.parametrize("compress", [False, True])
def test_only_records_of_regions_come_out_and_rows_count_them(model, genome, vcf, rows, tmp_path, compress):
    if compress:
        pysam.tabix_compress(str(vcf), str(vcf := tmp_path / "in.vcf.gz"))
        pysam.tabix_index(str(vcf), preset="vcf")
    (tmp_path / "x.bed").write_text("chr20\t99\t101\n20\t201\t202\nGL1\t0\t10\n")
    annotate_variants(model, genome, vcf, tmp_path / "o.vcf", regions=str(tmp_path / "x.bed"))
    got = [line.split("\t")[:2] for line in lines_of(tmp_path / "o.vcf") if not line.startswith("#")]
    assert got == [rows[i].split("\t")[:2] for i in (1, 2, 3, 6)]
    annotate_variants(model, genome, vcf, tmp_path / "o.tsv", regions=["20:101-400"])
    table = pd.read_csv(tmp_path / "o.tsv", sep="\t", comment="#")
    assert table["record"].tolist() == [0, 1, 2, 3]


def test_a_line_is_the_same_in_whatever_company_it_was_scored(model, genome, snvs, tmp_path):
    settings = {"scores": ("llr", "l2", "loss"), "window": 60, "phases": 2, "strands": "both"}
    annotate_variants(model, genome, snvs, tmp_path / "all.vcf", settings=ScoreSettings(**settings))
    settings["token_budget"] = 100
    chosen = {"settings": ScoreSettings(**settings), "regions": "20:403-903"}
    annotate_variants(model, genome, snvs, tmp_path / "some.vcf", **chosen)
    lines, some = ([x for x in lines_of(tmp_path / f"{name}.vcf") if x[0] != "#"] for name in ("all", "some"))
    assert some == lines[102:603]


# Tables


def test_a_table_comes_out_as_vcf_and_as_a_table(model, genome, vcf, tmp_path):
    (tmp_path / "in.csv").write_text("variant,beta\n20-50-A-T,0.5\nchr20_100_C_<DEL>,1\n20:200:A:G,2\n")
    annotate_variants(model, genome, tmp_path / "in.csv", tmp_path / "o.vcf.gz")
    annotate_variants(model, genome, tmp_path / "in.csv", tmp_path / "o.tsv", regions="20:51-200")
    with pysam.VariantFile(str(tmp_path / "o.vcf.gz")) as file:
        assert [(line.chrom, line.pos) for line in file] == [("20", 50), ("chr20", 100), ("20", 200)]
    table = pd.read_csv(tmp_path / "o.tsv", sep="\t", comment="#", dtype=str)
    assert table[["record", "pos"]].to_numpy().tolist() == [["0", "100"], ["1", "200"]]


# BCF


def test_bcf_comes_out_with_the_contigs_that_the_header_lacks(model, genome, vcf, tmp_path):
    text = vcf.read_text().replace("##contig=<ID=20>\n##contig=<ID=GL1>\n", "")
    text = text.replace("END=205", ".").replace("\tq10\t", "\tPASS\t")
    vcf.write_text(text)
    assert annotate_variants(model, genome, vcf, tmp_path / "o.bcf").indexed
    annotate_variants(model, genome, vcf, tmp_path / "o.vcf")
    with pysam.VariantFile(str(tmp_path / "o.bcf")) as file:
        assert {name: contig.length for name, contig in file.header.contigs.items()} == {"20": 9000, "GL1": None}
        assert len(list(file)) == 7
    assert "##contig" not in (tmp_path / "o.vcf").read_text()
    annotate_variants(model, genome, tmp_path / "o.bcf", tmp_path / "again.tsv")
    annotate_variants(model, genome, vcf, tmp_path / "o.tsv")
    assert lines_of(tmp_path / "again.tsv") == lines_of(tmp_path / "o.tsv")


def test_what_bcf_would_not_take_is_said_before_anything_is_scored(model, genome, vcf, tmp_path, monkeypatch):
    monkeypatch.setattr("hexamer.effects.annotate.score_alleles", lambda *_: 1 / 0)
    with pytest.raises(VariantError, match=r"in\.vcf:10: 20:101: FILTER 'q10' is not declared in the header"):
        annotate_variants(model, genome, vcf, tmp_path / "o.bcf")
    assert {path.name for path in tmp_path.iterdir()} == {"in.vcf"}


# Streams


def test_through_pipes_the_same_text_comes_out(model, genome, vcf, tmp_path, monkeypatch, capfdbinary):
    annotate_variants(model, genome, vcf, tmp_path / "o.vcf")
    expected = (tmp_path / "o.vcf").read_bytes()
    before = {path.name for path in tmp_path.iterdir()}
    annotate_variants(model, genome, vcf, "-")
    assert capfdbinary.readouterr().out == expected
    for out in ("-", tmp_path / "p.vcf"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(vcf.read_bytes()))))
        summary = annotate_variants(model, genome, "-", out)
        assert (summary.records, summary.kept) == (7, 0)
    assert capfdbinary.readouterr().out == expected
    assert (tmp_path / "p.vcf").read_bytes() == expected
    assert {path.name for path in tmp_path.iterdir()} == before | {"p.vcf", "p.vcf.manifest.json"}


@pytest.mark.parametrize("name", ["o.bcf", "o.parquet", "o.vcf.gz"])
def test_a_pipe_gives_the_file_that_a_file_gives(without_model, model, genome, many, tmp_path, name):
    annotate_variants(model, genome, many, tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cp", many, tmp_path / "pipe"]):
        annotate_variants(model, genome, tmp_path / "pipe", tmp_path / f"piped.{name}")
    assert (tmp_path / f"piped.{name}").read_bytes() == (tmp_path / name).read_bytes()


def test_each_piece_is_written_as_soon_as_it_is_scored(without_model, model, genome, many, capfdbinary):
    seen = []
    annotate_variants(model, genome, many, "-", advance=lambda count: seen.append(capfdbinary.readouterr().out))
    assert [part.count(b"\n20\t") + part.startswith(b"20\t") for part in seen[:8]] == [256] * 8


@pytest.mark.parametrize("options", [{"resume": True}, {"shard": "1/2"}])
@pytest.mark.parametrize("ends", [("-", "o.vcf"), ("in.vcf", "-")])
def test_a_pipe_cannot_be_read_again(model, genome, vcf, tmp_path, monkeypatch, options, ends):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="resume and shard need files for input and output"):
        annotate_variants(model, genome, *ends, **options)


# Going on after a stop


class StopError(Exception):
    """Stands for what ends a process."""


def stop_after(pieces):
    counts = iter(range(pieces))

    def advance(records):
        if next(counts, None) is None:
            raise StopError

    return advance


@pytest.mark.parametrize("name", ["o.vcf", "o.vcf.gz", "o.bcf", "o.tsv.gz", "o.parquet"])
def test_a_run_goes_on_to_the_same_bytes(without_model, model, genome, many, tmp_path, name):
    settings = ScoreSettings(scores=("llr", "cosine"))
    once = annotate_variants(model, genome, many, tmp_path / f"once.{name}", settings=settings)
    out = tmp_path / name
    for pieces in (0, 2, 1):
        with pytest.raises(StopError):
            annotate_variants(model, genome, many, out, settings=settings, resume=True, advance=stop_after(pieces))
        assert not out.exists()
    found = annotate_variants(model, genome, many, out, settings=settings, resume=True)
    assert found.kept == 6 * 256
    assert (found.records, found.reasons, found.forwards) == (once.records, once.reasons, once.forwards)
    assert out.read_bytes() == (tmp_path / f"once.{name}").read_bytes()
    assert not journal_path(out).exists()


@pytest.mark.parametrize("shard", [None, "1/2", "2/2", "9/9"])
def test_how_many_records_are_to_come_is_told(without_model, model, genome, many, tmp_path, shard):
    told, counted = [], []
    with pytest.raises(StopError):
        annotate_variants(model, genome, many, tmp_path / "o.vcf", shard=shard, advance=stop_after(0))
    options = {"expect": told.append, "advance": counted.append, "shard": shard}
    found = annotate_variants(model, genome, many, tmp_path / "o.vcf", resume=True, **options)
    assert told == [sum(counted)]
    assert told == [found.records - found.kept]


def test_hours_of_work_are_not_lost_by_forgetting_an_option(without_model, model, genome, many, tmp_path):
    out = tmp_path / "o.vcf"
    with pytest.raises(StopError):
        annotate_variants(model, genome, many, out, advance=stop_after(1))
    before = journal_path(out).read_bytes()
    with pytest.raises(OutputError, match=r"o\.vcf\.partial: an earlier run was stopped here; --resume goes on"):
        annotate_variants(model, genome, many, out)
    with pytest.raises(OutputError, match="belongs to a run with other window; write under another name"):
        annotate_variants(model, genome, many, out, settings=ScoreSettings(window=300), resume=True)
    for shard, regions, part in (("1/2", (), "shard"), (None, "20", "regions")):
        with pytest.raises(OutputError, match=f"belongs to a run with other {part};"):
            annotate_variants(model, genome, many, out, shard=shard, regions=regions, resume=True)
    with many.open("a") as file:
        file.write("20\t99999\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|0\n")
    with pytest.raises(OutputError, match="belongs to a run with other variants;"):
        annotate_variants(model, genome, many, out, resume=True)
    assert journal_path(out).read_bytes() == before


def test_other_weights_are_another_run(without_model, model, genome, many, tmp_path):
    out = tmp_path / "o.vcf"
    with pytest.raises(StopError):
        annotate_variants(model, genome, many, out, advance=stop_after(1))
    changed = type(model)(model.config)
    with pytest.raises(OutputError, match="belongs to a run with other weights;"):
        annotate_variants(changed, genome, many, out, resume=True)


def test_another_token_budget_may_go_on(without_model, model, genome, many, tmp_path):
    out = tmp_path / "o.vcf"
    with pytest.raises(StopError):
        annotate_variants(model, genome, many, out, advance=stop_after(1))
    settings = ScoreSettings(token_budget=100)
    assert annotate_variants(model, genome, many, out, settings=settings, resume=True).kept == 512


def test_a_finished_run_is_not_run_again(without_model, model, genome, many, tmp_path, monkeypatch):
    once = annotate_variants(model, genome, many, tmp_path / "o.vcf.gz")
    monkeypatch.setattr("hexamer.effects.annotate.score_alleles", lambda *_: 1 / 0)
    again = annotate_variants(model, genome, many, tmp_path / "o.vcf.gz", resume=True)
    assert (again.reasons, again.forwards, again.indexed) == (once.reasons, once.forwards, once.indexed)
    assert again.kept == again.records == 2300
    for settings, name in ((ScoreSettings(window=300), "window"), (ScoreSettings(scores=("l1",)), "scores")):
        with pytest.raises(SettingsError, match=f"finished with other {name}; another name"):
            annotate_variants(model, genome, many, tmp_path / "o.vcf.gz", settings=settings, resume=True)
    (tmp_path / "o.vcf.gz").write_bytes(b"changed")
    with pytest.raises(ZeroDivisionError):
        annotate_variants(model, genome, many, tmp_path / "o.vcf.gz", resume=True)


def test_an_input_that_changes_is_noticed(without_model, model, genome, many, tmp_path):
    def change(records):
        with many.open("a") as file:
            file.write("20\t99999\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|0\n")

    with pytest.raises(VariantError, match=r"many\.vcf: was changed while it was scored"):
        annotate_variants(model, genome, many, tmp_path / "o.vcf", advance=change)
    assert not (tmp_path / "o.vcf").exists()


@pytest.fixture
def snvs(genome, tmp_path):
    """1,500 SNVs of contig 20."""
    lines = []
    for pos in range(301, 1801):
        ref = genome.fetch("20", pos - 1, pos)
        lines.append(f"20\t{pos}\t.\t{ref}\t{'ACGT'['ACGT'.index(ref) - 1]}\t.\t.\t.\tGT\t0|1")
    path = tmp_path / "snvs.vcf"
    path.write_text("\n".join([*HEADER, *lines]) + "\n")
    return path


def test_a_killed_process_goes_on_to_the_same_bytes(model, fasta, snvs, tmp_path):
    folder = save_model(model, tmp_path / "small")
    command = [sys.executable, "-m", "hexamer", "score-variants", snvs, "-g", fasta, "-m", folder, "--device", "cpu"]
    command += ["--window", "120"]
    out = tmp_path / "o.vcf.gz"
    journal = journal_path(out)
    with subprocess.Popen([*command, "-o", out]) as process:
        while not journal.exists() or b"\n#" not in journal.read_bytes():
            assert process.poll() is None, "ended before it could be killed"
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    done = subprocess.run([*command, "-o", out, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "of the records had been scored by an earlier run" in done.stderr
    with Genome(fasta) as genome:
        encoder = load_model(folder, device="cpu")
        annotate_variants(encoder, genome, snvs, tmp_path / "once.vcf.gz", settings=ScoreSettings(window=120))
    assert checksum(out) == checksum(tmp_path / "once.vcf.gz")


@pytest.mark.parametrize("of", [2, 3])
def test_shards_of_real_scores_are_the_file_of_one_run(model, genome, snvs, tmp_path, of):
    settings = ScoreSettings(scores=("llr", "loss_diff"), window=60)
    chosen = {"settings": settings, "regions": "20:301-1300"}
    annotate_variants(model, genome, snvs, tmp_path / "whole.vcf.gz", **chosen)
    shards = [tmp_path / f"{index}.vcf.gz" for index in range(1, of + 1)]
    for index, shard in enumerate(shards, start=1):
        annotate_variants(model, genome, snvs, shard, **chosen, shard=f"{index}/{of}")
    merge(shards, tmp_path / "merged.vcf.gz")
    assert checksum(tmp_path / "merged.vcf.gz") == checksum(tmp_path / "whole.vcf.gz")
