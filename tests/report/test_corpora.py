from tests.conftest import write_people

from hexamer.report import explain_corpus, show_corpus
from hexamer.tokens import GenomeSource, build_corpus


def test_what_a_corpus_holds(tmp_path):
    records = ["20\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1", "20\t9\t.\tA\tG\t.\t.\t.\tGT\t0|0"]
    path, genome = write_people(tmp_path, records, ("ann",))
    (tmp_path / "y.fa").write_text(">a\n" + "ACGTNRacgt" * 150 + "\n")
    sources = [
        GenomeSource(fasta=str(genome.path), name="people", variants=str(path), weight=1.0),
        GenomeSource(fasta=str(tmp_path / "y.fa"), weight=3.0),
    ]
    corpus = build_corpus(sources, tmp_path / "corpus")
    heading, people, plain = (line.split() for line in show_corpus(corpus).splitlines())
    assert people == ["people", "2", "40", "0", "0", "0", "0", "0.250", "1", "1", "1"]
    assert plain == ["y", "1", "1,500", "150", "150", "600", "0", "0.750"], "what it has not is empty"
    text = explain_corpus(corpus)
    for word in heading[3:-1]:
        assert f"{word}:" in text or f"{word}, " in text, f"{word} is not explained"
    assert "people: 1 alternate allele left out: 1 carried by nobody" in text
    assert "nothing is held out: evaluate-lm would have nothing to ask; --hold-out CONTIG" in text
    held = build_corpus([GenomeSource(fasta=str(tmp_path / "y.fa"), hold_out=("a:1-600",))], tmp_path / "held")
    assert explain_corpus(held).count("\n") == 0
