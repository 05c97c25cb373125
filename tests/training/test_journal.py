import json

import pytest

from hexamer.errors import OutputError
from hexamer.training.journal import open_log, read_log, say, show_bar, show_steps, summarise, tell_losses


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
    with show_steps(2, 5, 100, shown=False) as advance:
        advance({"step": 3, "loss": 8.0, "seconds": 0.5, "held_out": {"yeast": 8.0}})
    say("nothing", shown=False)
    assert capfd.readouterr() == ("", "")


def test_lines_about_every_minute_where_there_is_no_terminal(capfd):
    """Steps of 25 seconds each by the clock, of which 20 were computing: 50 tokens/s."""
    times = iter(range(0, 1000, 25))
    with show_steps(100, 108, 1000, shown=True, clock=lambda: next(times)) as advance:
        for step in range(101, 109):
            record = {"step": step, "loss": step - 100.0, "seconds": 20.0}
            advance(record | ({"held_out": {"yeast": 8.006, "fly": 7.99}} if step == 104 else {}))
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "step 101/108  loss 1.00 nats  50 tokens/s  3 min left",
        "step 104/108  loss 3.00 nats  50 tokens/s  2 min left",
        "step 104  held out: yeast 8.01, fly 7.99, mean 8.00",
        "step 107/108  loss 6.00 nats  50 tokens/s  25 s left",
        "step 108/108  loss 8.00 nats  50 tokens/s",
    ]


def test_held_out_losses_stand_above_the_bar_of_a_terminal(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with show_steps(0, 2, 100, shown=True) as advance:
        advance({"step": 1, "loss": 8.0, "seconds": 0.5})
        advance({"step": 2, "loss": 8.0, "seconds": 0.5, "held_out": {"yeast": 8.0}})
    err = capfd.readouterr().err
    assert "pre-training" in err
    assert "step 2  held out: yeast 8.00" in err
    assert "step 1/2" not in err


def test_losses_of_many_genomes_are_a_mean():
    assert tell_losses({f"g{i}": float(i) for i in range(9)}) == "mean 4.00 of 9 genomes"


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([], "3 steps, 3,000 tokens"),
        ([{"yeast": 8.2}, {"yeast": 8.1}], "held out: yeast 8.100 nats (the best so far: checkpoints/best)"),
        ([{"yeast": 8.1}, {"yeast": 8.2}], "held out: yeast 8.200 nats (best 8.100 at step 1: checkpoints/best)"),
        (
            [{"a": 8.0, "b": 8.0}, {"a": 7.9, "b": 8.3}],
            "held out: a 7.900, b 8.300, mean 8.100 nats (best mean 8.000 at step 1: checkpoints/best)",
        ),
    ],
)
def test_what_a_run_has_come_to(losses, said, tmp_path):
    records = [{"step": i + 1, "tokens": 1000 * (i + 1), "loss": 8.0} for i in range(3)]
    for record, held_out in zip(records, losses, strict=False):
        record["held_out"] = held_out
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"step": 4, "lo')
    assert read_log(path) == records
    assert summarise(read_log(path)).endswith(said)
