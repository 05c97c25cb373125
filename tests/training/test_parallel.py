"""Several processes, started as a user starts them: torchrun on this machine's CPU, over gloo."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from hexamer import cli
from hexamer.errors import SettingsError
from hexamer.manifest import write_settings
from hexamer.model import ModelConfig, load_model
from hexamer.tokens import Sampler
from hexamer.training import PretrainConfig, export_checkpoint, pretrain
from hexamer.training.checkpoints import find_checkpoints
from hexamer.training.loop import Batch
from hexamer.training.parallel import Processes, check_batch


@pytest.fixture
def recipe(config: PretrainConfig) -> PretrainConfig:
    """40 steps of 7 windows, in batches of 2: no number of processes divides them evenly."""
    model = ModelConfig(layers=2, width=16, heads=2, ffn=16)
    return replace(config, max_steps=40, step_tokens=280, save_every=5, evaluate_every=10, model=model)


PRETRAIN: Any = import_module("hexamer.training.pretrain")
ROOT = Path(__file__).parents[2]
WATCHED = """
from tests.training.test_parallel import PRETRAIN, watched
from hexamer.cli import main
PRETRAIN.draw_batches = watched(PRETRAIN.draw_batches, {seen!r}, kill_at={kill_at})
main()
"""


def watched(draw: Callable[..., list[Batch]], seen: str, *, kill_at: int = 0) -> Callable[..., list[Batch]]:
    """Draw batches, and note a digest of each window: its ids, what the model reads, and its weights."""

    def note(sampler: Sampler, processes: Processes, step: int, *, batch: int) -> list[Batch]:
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        batches = draw(sampler, processes, step, batch=batch)
        windows = [window for tensors in batches for window in zip(*tensors, strict=True)]
        with Path(seen).open("a") as file:
            for row, window in zip(processes.rows(sampler.rows), windows, strict=False):  # behind them, a blank one
                content = b"".join(tensor.numpy().tobytes() for tensor in window)
                file.write(f"{step} {row} {hashlib.sha256(content).hexdigest()}\n")
        return batches

    return note


def windows_in(seen: Path) -> dict[tuple[int, int], str]:
    """Digests by step and row; what was seen twice was the same both times."""
    found: dict[tuple[int, int], str] = {}
    for line in seen.read_text().splitlines():
        step, row, digest = line.split()
        assert found.setdefault((int(step), int(row)), digest) == digest
    return found


def start(recipe: PretrainConfig, path: Path, *options: str, processes: int, killed: bool = False) -> None:
    """Run `hexamer pretrain` in several processes, as torchrun does; kill -9 all of them in step 18, if asked to."""
    write_settings(path, recipe)
    script = path.with_name("watched.py")
    # Step 19 is drawn while step 18 is computed: the log ends at 17 or 18.
    script.write_text(WATCHED.format(seen=str(path.with_name("seen")), kill_at=19 if killed else 0))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [*torchrun, str(script), "pretrain", str(path), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode != 0) == killed, done.stderr


def losses(recipe: PretrainConfig) -> list[float]:
    return [json.loads(line)["loss"] for line in (Path(recipe.out) / "log.jsonl").read_text().splitlines()]


def test_two_processes_go_on_where_one_was_killed(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(PRETRAIN, "draw_batches", watched(PRETRAIN.draw_batches, str(tmp_path / "whole")))
    pretrain(recipe, progress=False)
    killed = replace(recipe, out=str(tmp_path / "killed"))
    start(killed, tmp_path / "recipe.toml", processes=1, killed=True)
    assert len(losses(killed)) in (17, 18)
    assert find_checkpoints(Path(killed.out) / "checkpoints")[-1].name == "step-00000015"
    start(killed, tmp_path / "recipe.toml", "--resume", processes=2)
    assert losses(killed) == pytest.approx(losses(recipe), abs=1e-5)
    whole = windows_in(tmp_path / "whole")
    assert sorted(whole) == [(step, row) for step in range(1, 41) for row in range(7)]
    assert len(set(whole.values())) == 280
    assert windows_in(tmp_path / "seen") == whole, "steps 1 to 40 saw other windows"
    ours, theirs = (load_model(Path(run.out) / "model").state_dict() for run in (recipe, killed))
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-3, rtol=1e-3, msg=name)


def test_a_sharded_run_goes_on_with_another_number_of_processes(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(PRETRAIN, "draw_batches", watched(PRETRAIN.draw_batches, str(tmp_path / "whole")))
    pretrain(recipe, progress=False)
    sharded = replace(recipe, out=str(tmp_path / "sharded"), parallel="fsdp")
    start(sharded, tmp_path / "recipe.toml", processes=3, killed=True)
    newest = find_checkpoints(Path(sharded.out) / "checkpoints")[-1]
    assert len(list((newest / "shards").glob("*.safetensors"))) == 3
    exported = export_checkpoint(newest, tmp_path / "exported")
    assert load_model(exported).config == replace(recipe.encoder, max_tokens=recipe.tokens)
    start(sharded, tmp_path / "recipe.toml", "--resume", processes=2)
    assert losses(sharded) == pytest.approx(losses(recipe), abs=1e-5)
    assert windows_in(tmp_path / "seen") == windows_in(tmp_path / "whole")


def test_rows_are_shared_out():
    processes = [Processes(rank, 3, torch.device("cpu")) for rank in range(3)]
    assert sorted(row for one in processes for row in one.rows(7)) == list(range(7))
    with pytest.raises(SettingsError, match="3 processes for 2 windows a step"):
        check_batch(2, processes[0])


def test_what_is_wrong_is_printed_by_the_first_process_alone(recipe, tmp_path, monkeypatch, capfd):
    write_settings(
        tmp_path / "recipe.toml", replace(recipe, out=str(tmp_path / "out"), start_from="no-such-model", model=None)
    )
    monkeypatch.setattr(sys, "argv", ["hexamer", "pretrain", str(tmp_path / "recipe.toml")])
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "report.json"))
    said = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == 2
        said.append(capfd.readouterr().err)
    assert "hexamer: model 'no-such-model' was not found" in said[0]
    assert said[1] == ""
    report = json.loads((tmp_path / "report.json").read_text())["message"]
    assert report["message"] == said[0].strip(), "and torchrun's report has it"
