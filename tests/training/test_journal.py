import json

import pytest

from hexamer.errors import OutputError
from hexamer.training.journal import open_log, show_bar, show_steps


def test_steps_that_will_be_taken_again_are_dropped(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = [*(json.dumps({"step": step, "loss": 8.0}) for step in (1, 2, 3)), "[]", '{"step": 4, "lo']
    path.write_text("\n".join(lines))
    with open_log(path, 2) as log:
        log({"step": 3, "loss": 7.0})
        assert path.read_text().endswith('"loss": 7.0}\n'), "written at once"
    assert [(r["step"], r["loss"]) for r in map(json.loads, path.read_text().splitlines())] == [(1, 8), (2, 8), (3, 7)]


def test_other_processes_write_nothing(tmp_path):
    with open_log(None, 0) as log:
        log({"step": 1})
    with pytest.raises(OutputError, match="cannot be written"), open_log(tmp_path / "none" / "log.jsonl", 0):
        pass


def test_bars_keep_quiet_where_nobody_looks(capfd):
    with show_bar("building", "bases", shown=True) as (bar, task):
        bar.advance(task, 5)
    with show_steps(2, 5, 100, shown=True) as advance:
        advance({"step": 3, "loss": 8.0, "seconds": 0.5})
    assert capfd.readouterr() == ("", "")
