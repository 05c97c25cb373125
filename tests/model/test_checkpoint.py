import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hexamer.errors import CheckpointError, OutputError, SettingsError
from hexamer.model import ModelConfig, NucleotideTransformer, load_model, read_config, save_model
from hexamer.model import checkpoint as checkpoint_module


@pytest.fixture
def saved(model: NucleotideTransformer, tmp_path: Path) -> Path:
    return save_model(model, tmp_path / "saved", card="# A model\n")


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = NucleotideTransformer(ModelConfig(layers=2, width=8, heads=2, ffn=8, k=3))
    return save_model(model, tmp_path / "v2")


def same(one: NucleotideTransformer, two: NucleotideTransformer) -> bool:
    ones, twos = one.state_dict(), two.state_dict()
    return list(ones) == list(twos) and all(torch.equal(ones[name], twos[name]) for name in ones)


def change(folder: Path, **tensors: torch.Tensor | None) -> None:
    """Replace, add or (None) drop tensors of a saved model; __ stands for a dot."""
    path = folder / "model.safetensors"
    found = load_file(path) | {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    save_file({name: tensor for name, tensor in found.items() if tensor is not None}, path)


def test_round_trip_to_the_last_bit(model: NucleotideTransformer, saved: Path):
    loaded = load_model(saved, device="cpu")
    assert same(loaded, model)
    assert loaded.config == model.config
    ids = torch.as_tensor(model.tokenizer.encode(["ACGTTGCANNTT"])[0]).long()[None]
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert sorted(path.name for path in saved.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "vocab.txt",
    ]
    assert (saved / "README.md").read_text() == "# A model\n"
    assert (saved / "vocab.txt").read_text() == "\n".join(model.tokenizer.vocabulary)
    again = save_model(loaded, saved.with_name("again"))
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        assert (again / name).read_bytes() == (saved / name).read_bytes()


def test_a_loaded_model_is_frozen_and_in_eval_mode(saved: Path):
    loaded = load_model(str(saved), device="cpu")
    assert not loaded.training
    assert not any(module.training for module in loaded.modules())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert loaded.device.type == "cpu"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_stored_in_half_and_read_as_float32(model: NucleotideTransformer, tmp_path: Path, dtype: torch.dtype):
    folder = save_model(model, tmp_path / "half", dtype=dtype)
    assert json.loads((folder / "config.json").read_text())["torch_dtype"] == str(dtype).removeprefix("torch.")
    assert {t.dtype for name, t in load_file(folder / "model.safetensors").items() if "contact" not in name} == {dtype}
    loaded, state = load_model(folder, device="cpu").state_dict(), model.state_dict()
    for name, parameter in loaded.items():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, state[name].to(dtype).float()), name


def test_other_types_are_refused(model: NucleotideTransformer, tmp_path: Path):
    with pytest.raises(SettingsError, match="float32, float16 or bfloat16 would work"):
        save_model(model, tmp_path / "x", dtype=torch.float64)
    assert list(tmp_path.iterdir()) == []


def test_saving_leaves_the_model_as_it_is(model: NucleotideTransformer, tmp_path: Path):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    save_model(model, tmp_path / "x", dtype=torch.float16)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_v1_files_hold_an_empty_contact_head(model: NucleotideTransformer, saved: Path):
    found = {name: tensor for name, tensor in load_file(saved / "model.safetensors").items() if "contact" in name}
    if model.config.layout == "v2":
        assert found == {}
    else:
        assert {name: list(tensor.shape) for name, tensor in found.items()} == {
            "esm.contact_head.regression.weight": [1, 12],
            "esm.contact_head.regression.bias": [1],
        }
        assert all((tensor == 0).all() for tensor in found.values())


def test_known_unused_tensors_do_not_matter(v2: Path):
    before = load_model(v2, device="cpu")
    change(
        v2,
        esm__embeddings__position_embeddings__weight=torch.ones(2050, 8),
        esm__contact_head__regression__weight=torch.ones(1, 4),
        esm__encoder__layer__0__attention__self__rotary_embeddings__inv_freq=torch.ones(2),
        esm__embeddings__position_ids=torch.arange(2050)[None],
        lm_head__decoder__bias=torch.ones(75),
    )
    assert same(load_model(v2, device="cpu"), before)


def test_shards_with_an_index(model: NucleotideTransformer, saved: Path):
    tensors = load_file(saved / "model.safetensors")
    (saved / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {f"model-0000{i + 1}-of-00003.safetensors": names[i::3] for i in range(3)}
    for shard, part in shards.items():
        save_file({name: tensors[name] for name in part}, saved / shard)
    index = {"metadata": {}, "weight_map": {name: shard for shard, part in shards.items() for name in part}}
    (saved / "model.safetensors.index.json").write_text(json.dumps(index))
    assert same(load_model(saved, device="cpu"), model)

    (saved / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-00002-of-00003\.safetensors"):
        load_model(saved, device="cpu")
    for damaged in ('{"weight_map"', "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}'):
        (saved / "model.safetensors.index.json").write_text(damaged)
        with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json"):
            load_model(saved, device="cpu")


def test_shards_stay_inside_the_folder(v2: Path):
    elsewhere = v2.with_name("elsewhere.safetensors")
    (v2 / "model.safetensors").rename(elsewhere)
    index = {"weight_map": dict.fromkeys(load_file(elsewhere), "../elsewhere.safetensors")}
    (v2 / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json: .*elsewhere"):
        load_model(v2, device="cpu")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytree_ckpt.joblib"])
def test_pickles_are_refused(v2: Path, name: str):
    (v2 / "model.safetensors").rename(v2 / name)
    with pytest.raises(CheckpointError, match=r"pickled weights only, which are never loaded; convert them") as caught:
        load_model(v2, device="cpu")
    assert str(caught.value) == str(caught.value).strip()


def test_a_folder_without_weights(v2: Path):
    (v2 / "model.safetensors").unlink()
    with pytest.raises(
        CheckpointError, match=r"no model\.safetensors, nor shards with model\.safetensors\.index\.json"
    ):
        load_model(v2, device="cpu")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
def test_truncated_weights(v2: Path, share: float):
    path = v2 / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not readable as safetensors"):
        load_model(v2, device="cpu")


def test_tensors_that_do_not_fit(v2: Path):
    weights = (v2 / "model.safetensors").read_bytes()
    change(v2, lm_head__dense__weight=torch.zeros(8, 9))
    with pytest.raises(
        CheckpointError, match=r"lm_head\.dense\.weight has shape \[8, 9\], config\.json wants \[8, 8\]"
    ):
        load_model(v2, device="cpu")
    change(v2, lm_head__dense__weight=None)
    with pytest.raises(CheckpointError, match=r"v2 lacks lm_head\.dense\.weight"):
        load_model(v2, device="cpu")
    (v2 / "model.safetensors").write_bytes(weights)
    change(v2, classifier__weight=torch.zeros(2))
    with pytest.raises(CheckpointError, match=r"v2 holds unknown classifier\.weight"):
        load_model(v2, device="cpu")


def test_config_files(v2: Path):
    path = v2 / "config.json"
    text = path.read_text()
    for damaged, part in (
        ("", "not readable as JSON"),
        (text[:40], "not readable as JSON"),
        ("[1]", "not a JSON object"),
    ):
        path.write_text(damaged)
        with pytest.raises(CheckpointError, match=rf"config\.json: {part}"):
            load_model(v2, device="cpu")
    path.unlink()
    with pytest.raises(CheckpointError, match=r"config\.json: missing; a model folder holds config\.json"):
        load_model(v2, device="cpu")
    with pytest.raises(CheckpointError, match=r"config\.json: missing"):
        read_config(v2)


def test_the_vocabulary_must_fit_the_config(v2: Path, tmp_path: Path):
    other = save_model(NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8)), tmp_path / "six")
    kept = (v2 / "vocab.txt").read_text()
    (v2 / "vocab.txt").write_text((other / "vocab.txt").read_text())
    with pytest.raises(CheckpointError, match=r"a v2 vocabulary of 6-mers, but config\.json says v2 and 3-mers"):
        load_model(v2, device="cpu")
    (v2 / "vocab.txt").write_text("A\nC\n")
    with pytest.raises(CheckpointError, match="no Nucleotide Transformer vocabulary"):
        load_model(v2, device="cpu")
    (v2 / "vocab.txt").write_text(kept + "\n")  # a line end behind the last token is no other vocabulary
    before = load_model(v2, device="cpu")
    (v2 / "vocab.txt").unlink()  # it says nothing that the config does not
    assert same(load_model(v2, device="cpu"), before)


def test_norm_eps_in_place_of_the_config(v2: Path):
    assert load_model(v2, device="cpu").config.norm_eps == 1e-12
    loaded = load_model(v2, device="cpu", norm_eps=1e-5)
    assert loaded.config.norm_eps == read_config(v2, 1e-5).norm_eps == 1e-5
    assert {m.eps for m in loaded.modules() if isinstance(m, torch.nn.LayerNorm)} == {1e-5}
    with pytest.raises(SettingsError, match="norm_eps = -1"):
        load_model(v2, device="cpu", norm_eps=-1)


def test_options_that_do_not_exist(v2: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint_module, "_find_folder", lambda *_: pytest.fail("looked for before settings"))
    with pytest.raises(SettingsError, match="precision 'half' is unknown; 'exact'"):
        load_model(v2, precision="half")
    with pytest.raises(SettingsError, match="device 'abacus' is unknown"):
        load_model(v2, device="abacus")


@pytest.mark.parametrize(
    "name", ["no-such-model", "./no/such", "../x/y", "~/no/such", "/no/such", "a/b/c", Path("own/er")]
)
def test_names_that_are_not_found(name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("the hub was asked"))
    with pytest.raises(CheckpointError, match=r"a folder with config\.json, or a hub id"):
        load_model(name, device="cpu")


def test_a_hub_id_without_network(monkeypatch: pytest.MonkeyPatch):
    def offline(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(CheckpointError) as caught:
        load_model("someone/some-model", device="cpu")
    message = str(caught.value)
    assert "'someone/some-model' is no folder and could not be had from the hub (ConnectionError)" in message
    assert "\n" not in message


def test_a_hub_id_is_downloaded_without_pickles(v2: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []

    def download(name: str, **options):
        asked.append((name, options["revision"]))
        assert not any(
            pattern.endswith((".bin", ".joblib", ".pt", ".py", "*")) for pattern in options["allow_patterns"]
        )
        return str(v2)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    loaded = load_model("someone/some-model", device="cpu", revision="abc")
    assert asked == [("someone/some-model", "abc")]
    assert same(loaded, load_model(v2, device="cpu"))


# Writing


def test_a_model_is_replaced_as_a_whole(v2: Path):
    (v2 / "tokenizer_config.json").write_text("of the old one")
    new = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8, k=3))
    save_model(new, v2)
    assert same(load_model(v2, device="cpu"), new.eval())
    assert sorted(path.name for path in v2.iterdir()) == ["config.json", "model.safetensors", "vocab.txt"]
    assert [path.name for path in v2.parent.iterdir()] == ["v2"], "nothing temporary is left"


@pytest.mark.parametrize(
    ("stop", "seen"),
    [
        (RuntimeError("stopped"), RuntimeError),
        (KeyboardInterrupt("stopped"), KeyboardInterrupt),
        (OSError(28, "stopped"), OutputError),
        (SafetensorError("stopped"), OutputError),
    ],
)
def test_a_failure_while_saving_leaves_the_old_model_whole(v2: Path, monkeypatch: pytest.MonkeyPatch, stop, seen):
    before = {path.name: path.read_bytes() for path in v2.iterdir()}

    def fail(tensors, path, **_):
        Path(path).write_bytes(b"half of it")
        raise stop

    monkeypatch.setattr(checkpoint_module, "save_file", fail)
    model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8, k=3))
    for place in (v2, v2.with_name("new")):
        with pytest.raises(seen, match="stopped"):
            save_model(model, place)
    assert {path.name: path.read_bytes() for path in v2.iterdir()} == before
    assert [path.name for path in v2.parent.iterdir()] == ["v2"], "neither a new folder nor a temporary one"


def test_a_failure_while_renaming_leaves_the_old_model_whole(v2: Path, monkeypatch: pytest.MonkeyPatch):
    before = {path.name: path.read_bytes() for path in v2.iterdir()}
    rename, calls = Path.rename, []

    def fail_second(self: Path, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_second)
    with pytest.raises(OutputError, match="v2: cannot be written"):
        save_model(NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8, k=3)), v2)
    assert {path.name: path.read_bytes() for path in v2.iterdir()} == before
    assert [path.name for path in v2.parent.iterdir()] == ["v2"]


def test_places_that_cannot_be_written(model: NucleotideTransformer, tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"full: holds .* which is no part of a model"):
        save_model(model, tmp_path / "full")
    assert (tmp_path / "full" / "thesis.txt").exists()
    (tmp_path / "full" / "config.json").write_text("{}")  # of some other program
    with pytest.raises(OutputError, match=r"full: holds .* which is no part of a model"):
        save_model(model, tmp_path / "full")
    assert (tmp_path / "full" / "thesis.txt").exists()
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "model", tmp_path / "file"):
        with pytest.raises(OutputError, match="file"):
            save_model(model, place)
    assert (tmp_path / "file").read_text() == ""


def test_new_and_empty_folders(model: NucleotideTransformer, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "not" / "yet" / "there"):
        assert save_model(model, str(place)) == place
        assert same(load_model(place, device="cpu"), model)
        for file in place.iterdir():
            assert file.stat().st_mode & 0o444 == 0o444, "others can read it"


def test_weights_are_mapped_and_the_file_is_safe_from_the_model(v2: Path):
    file = v2 / "model.safetensors"
    before = file.read_bytes()
    loaded = load_model(v2, device="cpu")
    assert str(file.resolve()) in Path("/proc/self/maps").read_text()
    for parameter in loaded.parameters():
        parameter.data.fill_(7.0)
    assert (loaded.embed_tokens.weight == 7).all()
    assert file.read_bytes() == before


def test_a_folder_can_be_replaced_while_its_model_is_in_use(v2: Path):
    loaded = load_model(v2, device="cpu")
    ids = torch.tensor([[3, 10, 11]])
    wanted = load_model(v2, device="cpu")(ids).logits
    other = NucleotideTransformer(loaded.config)
    save_model(other, v2)
    assert torch.equal(loaded(ids).logits, wanted)
    assert same(load_model(v2, device="cpu"), other)


def test_a_folder_that_is_no_model_says_which_are_near(v2: Path, tmp_path: Path, monkeypatch):
    """A run that has not ended, or a checkpoint that was dropped."""
    checkpoints = tmp_path / "runs" / "rr" / "checkpoints"
    checkpoints.mkdir(parents=True)
    v2.rename(checkpoints / "step-00000020")
    monkeypatch.chdir(tmp_path)
    step = "runs/rr/checkpoints/step-00000020"
    with pytest.raises(CheckpointError, match=f"runs/rr: holds no model itself; {step} would work"):
        load_model("runs/rr")
    for name in ("runs/rr/model", "runs/rr/checkpoints/step-00000010"):
        with pytest.raises(CheckpointError, match=f"model '{name}' was not found; {step} would work"):
            load_model(name)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: 1 / 0)
    monkeypatch.chdir(tmp_path / "runs")
    with pytest.raises(CheckpointError, match=r"'rr/model' is no folder and could not be had .*; rr/checkpoints/step"):
        load_model("rr/model")
    for name in ("hexamer-huge", "none/rr/model"):
        with pytest.raises(CheckpointError, match=r"hexamer-tiny, a folder with config\.json, or a hub id"):
            load_model(name)
