from pathlib import Path

from hexamer.model.processor import Processor, this_processor


def test_the_first_core_is_read(tmp_path: Path):
    told = tmp_path / "cpuinfo"
    told.write_text(
        "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu avx512f  fma\n\n"
        "processor\t: 1\nvendor_id\t: Other\nflags\t\t: fpu\n"
    )
    assert this_processor(str(told)) == Processor("AuthenticAMD", frozenset({"fpu", "avx512f", "fma"}))


def test_nothing_is_known_where_nothing_is_said(tmp_path: Path):
    assert this_processor(str(tmp_path / "missing")) == Processor("", frozenset())
    (tmp_path / "arm").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert this_processor(str(tmp_path / "arm")) == Processor("", frozenset())
