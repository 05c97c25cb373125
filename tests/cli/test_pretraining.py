"""`pretrain`, `build-corpus` and `export-checkpoint`."""

import json
import os
import re
import signal
from importlib import import_module

from hexamer.cli import pretraining

PRETRAIN = import_module("hexamer.training.pretrain")  # the package has a function of this name


def test_sizes_of_the_help_page_are_the_model_s():
    from hexamer.model import SIZES

    assert list(SIZES) == list(pretraining.SIZES)


def test_pretrain_says_what_came_of_it_and_what_is_next(run, recipe, tmp_path):
    out = tmp_path / "a run"
    code, _, err = run("pretrain", recipe, "--out", out)
    assert code == 0, err
    assert "step 4  held out: human 8." in err
    lines = err.splitlines()[-3:]
    assert lines[0].startswith("4 steps, 320 tokens; held out: human 8.")
    assert lines[1] == f"wrote {out}/model and {out}/loss.png"
    assert lines[2] == f"next: hexamer evaluate-lm '{out}/model' --corpus '{out}/corpus'"
    assert (out / "loss.png").exists()
    code, _, err = run("evaluate-lm", out / "model", "--corpus", out / "corpus", "-o", tmp_path / "lm.tsv")
    assert (code, "learn" in err) == (0, False), "its own corpus"
    assert "all 6-mers alike: 8.318" in err
    manifest = json.loads((tmp_path / "lm.tsv.manifest.json").read_text())
    assert manifest["held_out"]["model_learnt_from"] == "this corpus"


def test_pretrain_goes_on_without_its_recipe(run, recipe, tmp_path, monkeypatch):
    out = tmp_path / "run"
    for arguments in (["--out", out], [recipe, "--out", out]):
        code, _, err = run("pretrain", "--resume", *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert f"{out}: holds no run to resume (no settings.toml); without --resume one would begin there" in err
    with monkeypatch.context() as patch:
        patch.setattr(PRETRAIN, "held_out_losses", stop)
        code, _, err = run("pretrain", recipe, "--out", out)
    assert (code, err.splitlines()[-1]) == (130, "hexamer: stopped")
    code, _, err = run("pretrain", "--resume", "--out", out)
    assert code == 0, err
    assert "no checkpoint in" in err
    code, _, err = run("pretrain", "--resume", "--out", out)
    assert code == 0, err
    assert "going on from checkpoints/step-00000004 (step 4 of 4)" in err
    code, _, err = run("pretrain", recipe, "--resume", "--out", out, "--seed", 3)
    assert code == 2
    assert "another seed (0, not 3); its own settings would work, and to train longer a new run: --from" in err


def stop(*_, **__):
    raise KeyboardInterrupt


def test_a_run_that_a_signal_ends_says_where_it_goes_on(run, recipe, tmp_path, monkeypatch):
    drawn = PRETRAIN.draw_batches

    def draw(sampler, processes, step, *, batch):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return drawn(sampler, processes, step, batch=batch)

    monkeypatch.setattr(PRETRAIN, "draw_batches", draw)
    code, _, err = run("pretrain", recipe, "--out", tmp_path / "run")
    assert code == 130
    assert re.search(
        r"^hexamer: stopped after step (\d); --resume goes on from checkpoints/step-0000000\1$", err, flags=re.MULTILINE
    )


def test_a_short_run_scales_the_warmup_of_its_recipe(run, recipe, tmp_path):
    code, _, err = run("pretrain", recipe, "--out", tmp_path / "run", "--max-steps", 1)
    assert code == 0, err
    assert "warm-up of 2 and cooldown of 1 steps scaled to 1 and 0, for 1 steps instead of 4" in err
    assert "1 step, 80 tokens" in err


def test_pretrain_takes_several_files_behind_genome(run, fasta, tmp_path, small):
    other = tmp_path / "other.fa"
    other.write_text(">x\n" + "ACGTTGCAAC" * 900 + "\n")
    code, _, err = run("pretrain", "--genome", fasta, other, "--out", tmp_path / "run", "--max-steps", 1)
    assert code == 0, err
    assert "nothing was held out" in err
    assert (tmp_path / "run" / "model" / "config.json").exists()
    code, _, err = run("evaluate-lm", tmp_path / "run/model", "--corpus", tmp_path / "run/corpus")
    assert code == 2
    assert "no genome has a held-out region" in err


def test_build_corpus_from_fasta_and_from_a_manifest(run, fasta, tmp_path):
    code, said, err = run("build-corpus", fasta, "--out", tmp_path / "one", "--hold-out", "20:1-600")
    assert code == 0, err
    assert said.splitlines()[0].split() == [
        "genome",
        "contigs",
        "bases",
        "n",
        "iupac",
        "soft_masked",
        "held_out",
        "share",
    ]
    assert "600" in said
    (tmp_path / "species.tsv").write_text(f"name\tfasta\tweight\nhuman\t{fasta}\t1\n")
    code, said, err = run("build-corpus", tmp_path / "species.tsv", "--out", tmp_path / "two")
    assert code == 0, err
    assert said.splitlines()[1].split()[0] == "human"


def test_build_corpus_refuses_to_replace_another_corpus(run, fasta, tmp_path):
    out = tmp_path / "corpus"
    code, first, err = run("build-corpus", fasta, "--out", out)
    assert code == 0, err
    assert "9,044" in first, "thousands stand apart"
    assert "nothing is held out: evaluate-lm would have nothing to ask" in err
    code, again, err = run("build-corpus", fasta, "--out", out)
    assert (code, again) == (0, first)
    assert err.splitlines()[-1] == f"{out} holds this corpus already: nothing to do"
    code, said, err = run("build-corpus", fasta, "--out", out, "--hold-out", "20:1-600")
    assert (code, said) == (2, "")
    assert f"{out}: holds another corpus (small); another folder, or removing it, would work" in err


def test_held_out_regions_are_given_one_by_one(run, fasta, tmp_path):
    for command in (["build-corpus", fasta], ["pretrain", "--genome", fasta]):
        code, _, err = run(*command, "--hold-out", "20:1-600", "short", "--out", tmp_path / "x")
        assert code == 2
        assert "short: no such file; if it is to be held out too, --hold-out 20:1-600 --hold-out short would" in err
