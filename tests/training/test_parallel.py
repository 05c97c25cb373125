"""Several processes, started as a user starts them: torchrun on this machine's CPU, over gloo."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hexamer.errors import SettingsError
from hexamer.manifest import write_settings
from hexamer.model import ModelConfig, load_model
from hexamer.training import PretrainConfig, export_checkpoint, pretrain
from hexamer.training.checkpoints import find_checkpoints
from hexamer.training.parallel import Processes, check_batch


@pytest.fixture
def recipe(config: PretrainConfig) -> PretrainConfig:
    """40 steps of 7 windows, in batches of 2: no number of processes divides them evenly."""
    model = ModelConfig(layers=2, width=16, heads=2, ffn=16)
    return replace(config, max_steps=40, step_tokens=280, save_every=5, evaluate_every=10, model=model)


KILLED = """
import os, signal
from importlib import import_module
module = import_module("hexamer.training.pretrain")
draw = module.draw_batches
def draw_or_die(sampler, config, processes, step):
    if step == 19:  # drawn while step 18 is computed: the log ends at 17 or 18
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(sampler, config, processes, step)
module.draw_batches = draw_or_die
from hexamer.cli import main
main()
"""


def start(recipe: PretrainConfig, path: Path, *options: str, processes: int, killed: bool = False) -> None:
    """Run `hexamer pretrain` in several processes, as torchrun does; kill -9 all of them in step 18, if asked to."""
    write_settings(path, recipe)
    script = path.with_name("killed.py")
    script.write_text(KILLED)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    program = [str(script)] if killed else ["-m", "hexamer"]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*torchrun, *program, "pretrain", str(path), *options]
    done = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode != 0) == killed, done.stderr


def losses(recipe: PretrainConfig) -> list[float]:
    return [json.loads(line)["loss"] for line in (Path(recipe.out) / "log.jsonl").read_text().splitlines()]


def test_two_processes_go_on_where_one_was_killed(recipe, tmp_path):
    pretrain(recipe, progress=False)
    killed = replace(recipe, out=str(tmp_path / "killed"))
    start(killed, tmp_path / "recipe.toml", processes=1, killed=True)
    assert len(losses(killed)) in (17, 18)
    assert find_checkpoints(Path(killed.out) / "checkpoints")[-1].name == "step-00000015"
    start(killed, tmp_path / "recipe.toml", "--resume", processes=2)
    assert losses(killed) == pytest.approx(losses(recipe), abs=1e-5)
    ours, theirs = (load_model(Path(run.out) / "model").state_dict() for run in (recipe, killed))
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-3, rtol=1e-3, msg=name)


def test_a_sharded_run_goes_on_with_another_number_of_processes(recipe, tmp_path):
    pretrain(recipe, progress=False)
    sharded = replace(recipe, out=str(tmp_path / "sharded"), parallel="fsdp")
    start(sharded, tmp_path / "recipe.toml", processes=3, killed=True)
    newest = find_checkpoints(Path(sharded.out) / "checkpoints")[-1]
    assert len(list((newest / "shards").glob("*.safetensors"))) == 3
    exported = export_checkpoint(newest, tmp_path / "exported")
    assert load_model(exported).config == replace(recipe.encoder, max_tokens=recipe.tokens)
    start(sharded, tmp_path / "recipe.toml", "--resume", processes=2)
    assert losses(sharded) == pytest.approx(losses(recipe), abs=1e-5)


def test_rows_are_shared_out():
    processes = [Processes(rank, 3, torch.device("cpu")) for rank in range(3)]
    assert sorted(row for one in processes for row in one.rows(7)) == list(range(7))
    with pytest.raises(SettingsError, match="3 processes for 2 windows a step"):
        check_batch(2, processes[0])
