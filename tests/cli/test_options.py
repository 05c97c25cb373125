"""What is made of options before any work."""

import pytest

from hexamer.cli.options import check_folder, check_parent, split_names
from hexamer.errors import OutputError


def test_names_of_a_comma_list():
    assert split_names("llr, l2") == ("llr", "l2")


def test_a_place_that_cannot_be_written(tmp_path):
    check_folder(tmp_path)
    check_folder(tmp_path / "new")
    (tmp_path / "file").write_text("")
    check_parent(tmp_path / "file")
    with pytest.raises(OutputError, match=r"file: is a file; the name of a folder would work"):
        check_folder(tmp_path / "file")
    for check in (check_parent, check_folder):
        with pytest.raises(OutputError, match=r"no/out: the folder .*no does not exist"):
            check(tmp_path / "no" / "out")
