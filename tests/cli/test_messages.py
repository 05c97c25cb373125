"""What is said beside the results."""

import json

import pytest

from hexamer.cli.messages import examples, is_first, say_once, say_reasons


def test_examples_keep_their_line_ends():
    assert examples("hexamer a", "hexamer b") == "\b\nExamples:\n  hexamer a\n  hexamer b"


@pytest.mark.parametrize(("rank", "first"), [(None, True), ("0", True), ("1", False)])
def test_of_torchrun_s_processes_the_first_speaks(rank, first, monkeypatch, capfd, tmp_path):
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    say_once("hexamer: no")
    assert is_first() == first
    assert capfd.readouterr() == ("", "hexamer: no\n" if first else "")
    if not first:
        assert json.loads((tmp_path / "error.json").read_text())["message"]["message"] == "hexamer: no"


def test_reasons_have_a_count_and_a_meaning(capfd):
    counts = {"": 1200, "star": 3}
    say_reasons(counts.items())
    say_reasons(counts.items(), "llr")
    line = "           3  star             the allele is removed by another variant (*)\n"
    assert capfd.readouterr().err == line + "       1,200  scored           llr\n" + line
