"""Models as folders in the hub's layout, in and out.

A folder holds `config.json`, `vocab.txt` and `model.safetensors` (or shards with `model.safetensors.index.json`), and
may hold a model card, `README.md`. No pickle is ever read: a folder with `pytorch_model.bin` alone is an error
that says how to convert it. Not here: names of tensors (`published`).
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from hexamer.device import pick_device
from hexamer.errors import CheckpointError, OutputError, SettingsError
from hexamer.manifest import checksum
from hexamer.model.config import ModelConfig
from hexamer.model.precision import Precision, check_precision, set_precision
from hexamer.model.published import config_from_published, config_to_published, match_tensors, published_names
from hexamer.model.transformer import NucleotideTransformer
from hexamer.tokens.tokenizer import Tokenizer

PACKAGED = Path(__file__).parent / "weights"
_INDEX = "model.safetensors.index.json"
_HUB_FILES = ["config.json", "vocab.txt", "*.safetensors", _INDEX]
# What a model folder may hold to be replaced: nothing of a user's own is ever removed.
_OWN_FILES = [
    *_HUB_FILES,
    "README.md",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "training.json",
    "state.json",
]
_NAMED = 5  # model folders that an error names
_DTYPES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}


def load_model(
    name: str | Path = "hexamer-tiny",
    *,
    device: str = "auto",
    precision: Precision = "exact",
    norm_eps: float | None = None,
    revision: str | None = None,
) -> NucleotideTransformer:
    """Load an encoder with its tokenizer, in eval mode and frozen.

    Weights may be mapped from the file, not copied: while the model is in use another file may take its place, but the
    file itself must not be written to or truncated.

    Parameters
    ----------
    name : str or Path
        "hexamer-tiny" (inside the package, works offline), a folder in the hub's layout, or a hub id such as
        "InstaDeepAI/nucleotide-transformer-v2-50m-multi-species".
    device : str
        "auto", "cpu", "cuda" or "cuda:0".
    precision : {"exact", "fast"}
        float32 throughout, whatever type the weights are stored in; or products in bfloat16 (`set_precision`).
    norm_eps : float, optional
        LayerNorm epsilon in place of the config's: 1e-5 gives the numbers of the JAX original.
    revision : str, optional
        Commit or tag of a hub id.

    Returns
    -------
    NucleotideTransformer

    Raises
    ------
    CheckpointError
        If the folder is incomplete, a tensor is missing, unknown or of another shape, or the hub id cannot be had.
    SettingsError
        If the device or precision is unknown.

    Examples
    --------
    >>> model = load_model("hexamer-tiny")
    >>> model.config.layout, model.training
    ('v2', False)
    """
    target = pick_device(device)
    check_precision(precision)
    folder = _find_folder(name, revision)
    config = read_config(folder, norm_eps)
    _check_vocabulary(folder, config)
    with torch.device("meta"), _NoInitialisation():
        model = NucleotideTransformer(config)
        set_precision(model, precision)
    _fill(model, folder, target)
    model.source = str(folder)
    return model.eval().requires_grad_(False)


def save_model(
    model: NucleotideTransformer, folder: str | Path, *, dtype: torch.dtype = torch.float32, card: str = ""
) -> Path:
    """Write an encoder as a folder in the hub's layout.

    Parameters
    ----------
    model : NucleotideTransformer
    folder : str or Path
        Created; an existing model folder is replaced as a whole; one with other files in it is refused.
    dtype : torch.dtype
        Type of the stored weights: float32, float16 or bfloat16.
    card : str
        Text of the model card, `README.md`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        If the folder cannot be written, or holds something that is no model.
    """
    folder = Path(folder)
    if dtype not in _DTYPES:
        raise SettingsError(f"dtype {dtype} of a saved model: float32, float16 or bfloat16 would work")
    state = model.state_dict()
    names = published_names(model.config, state)
    tensors = {names[k]: v.detach().to("cpu", dtype).contiguous() for k, v in state.items()}
    if model.config.layout == "v1":
        # Published v1 files hold a contact head that nothing uses; without one transformers draws its own and warns.
        tensors["esm.contact_head.regression.weight"] = torch.zeros(1, model.config.layers * model.config.heads)
        tensors["esm.contact_head.regression.bias"] = torch.zeros(1)
    with write_folder(folder) as new:
        write_description(model, new, dtype=dtype)
        save_file(tensors, new / "model.safetensors", metadata={"format": "pt"})
        (new / "model.safetensors").chmod(0o644)  # safetensors writes files that only their owner can read
        if card:
            (new / "README.md").write_text(card)
    return folder


def write_description(model: NucleotideTransformer, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write what a model folder holds beside its weights, `config.json` and `vocab.txt`; parameters as `save_model`."""
    settings = config_to_published(model.config, _DTYPES[dtype])
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    # Published vocabularies have no line end behind the last token.
    (folder / "vocab.txt").write_text("\n".join(model.tokenizer.vocabulary))


def describe_model(model: NucleotideTransformer) -> dict[str, Any]:
    """Say which weights a result came from, for its manifest.

    Parameters
    ----------
    model : NucleotideTransformer

    Returns
    -------
    dict
        `source` (folder), `files` (SHA-256 of each file of weights), `precision`, `config`.
    """
    files = {path.name: checksum(path) for path in _weight_files(Path(model.source))} if model.source else {}
    source = model.source or "random weights"
    return {"source": source, "files": files, "precision": model.precision, "config": asdict(model.config)}


def describe_origin(model: NucleotideTransformer) -> dict[str, Any]:
    """Say which encoder something was trained on, so that it can be found and told from others.

    Parameters
    ----------
    model : NucleotideTransformer

    Returns
    -------
    dict
        `source` and `files` of `describe_model`; a packaged model is called by its name, which is good everywhere.
    """
    facts = describe_model(model)
    is_packaged = model.source and Path(model.source).parent == PACKAGED
    source = Path(model.source).name if is_packaged else str(Path(model.source).absolute()) if model.source else ""
    return {"source": source or facts["source"], "files": facts["files"]}


class write_folder:  # noqa: N801
    """Context in which a folder is written whole or not at all; replaces a model folder of that name.

    Parameters
    ----------
    folder : Path
        The final name. The context yields a temporary folder beside it.

    Raises
    ------
    OutputError
        If it cannot be written, or holds something that is no model.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Path:
        """Make the temporary folder."""
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder}: is a file; an empty or new folder would work")
        foreign = [p.name for p in self.folder.glob("*") if not any(p.match(name) for name in _OWN_FILES)]
        if foreign:
            raise OutputError(
                f"{self.folder}: holds {foreign[0]}, which is no part of a model; an empty or new folder would work"
            )
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.new = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be written ({error.strerror})") from error
        self.new.chmod(0o755)
        return self.new

    def __exit__(self, _kind: object, stopped: BaseException | None, _trace: object) -> None:
        """Give the folder its final name, or drop it."""
        try:
            if stopped is None:
                self._replace()
            elif isinstance(stopped, OSError | SafetensorError):
                raise stopped
        except (OSError, SafetensorError) as error:
            raise OutputError(f"{self.folder}: cannot be written ({error})") from error
        finally:
            shutil.rmtree(self.new, ignore_errors=True)

    def _replace(self) -> None:
        """Swap the old folder for the new one; the old one comes back if that fails."""
        old = self.new.with_name(self.new.name + ".old")
        if self.folder.exists():
            self.folder.rename(old)
        try:
            self.new.rename(self.folder)
        except BaseException:
            if old.exists():
                old.rename(self.folder)
            raise
        shutil.rmtree(old, ignore_errors=True)


def read_config(folder: Path, norm_eps: float | None = None) -> ModelConfig:
    """Read the config of a model folder.

    Parameters
    ----------
    folder : Path
    norm_eps : float, optional
        In place of the file's.

    Returns
    -------
    ModelConfig

    Raises
    ------
    CheckpointError
        If `config.json` is missing or unreadable.
    """
    if not (folder / "config.json").exists() and (near := _models_near(folder)):
        raise CheckpointError(f"{folder}: holds no model itself; {near} would work")
    config = config_from_published(_read_json(folder / "config.json"), str(folder / "config.json"))
    return config if norm_eps is None else replace(config, norm_eps=norm_eps)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: missing; a model folder holds config.json and model.safetensors") from error
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    return found


def _find_folder(name: str | Path, revision: str | None) -> Path:
    """Folder of a packaged name, a path, or a hub id (downloaded once)."""
    if isinstance(name, str) and (PACKAGED / name / "config.json").exists():
        return PACKAGED / name
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    packaged = ", ".join(sorted(p.parent.name for p in PACKAGED.glob("*/config.json")))
    near = _models_near(folder)
    advice = f"{near or packaged + ', a folder with config.json, or a hub id (owner/name)'} would work"
    if isinstance(name, Path) or str(name).count("/") != 1 or str(name).startswith((".", "/", "~")):
        raise CheckpointError(f"model {str(name)!r} was not found; {advice}")
    from huggingface_hub import snapshot_download  # slow import, and needed for hub ids only

    try:
        return Path(snapshot_download(str(name), revision=revision, allow_patterns=_HUB_FILES))
    except Exception as error:
        reason = type(error).__name__
        raise CheckpointError(
            f"model {name!r} is no folder and could not be had from the hub ({reason}); {advice}"
        ) from error


def _models_near(path: Path) -> str:
    """Name model folders within a folder, or around one that is not there; empty where there are none."""
    place = path if path.is_dir() else path.parent
    if place == Path():  # a bare name
        return ""
    found = {config.parent for pattern in ("*/config.json", "*/*/config.json") for config in place.glob(pattern)}
    return ", ".join(str(folder) for folder in sorted(found)[:_NAMED])


def _check_vocabulary(folder: Path, config: ModelConfig) -> None:
    path = folder / "vocab.txt"
    if not path.exists():
        return
    found = Tokenizer.from_vocabulary(path.read_text().split())
    if (found.layout, found.k) != (config.layout, config.k):
        raise CheckpointError(
            f"{path}: a {found.layout} vocabulary of {found.k}-mers, but config.json says {config.layout} "
            f"and {config.k}-mers"
        )


def _weight_files(folder: Path) -> list[Path]:
    if (folder / _INDEX).exists():
        places = _read_json(folder / _INDEX).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise CheckpointError(f"{folder / _INDEX}: its weight_map does not say which file holds which tensor")
        shards = {str(shard) for shard in places.values()}
        strange = [s for s in sorted(shards) if Path(s).name != s or not s.endswith(".safetensors")]
        if strange:
            raise CheckpointError(f"{folder / _INDEX}: {strange[0]!r} is no safetensors file of this folder")
        return [folder / shard for shard in sorted(shards)]
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    if (folder / "shards").is_dir():
        raise CheckpointError(f"{folder}: a sharded checkpoint; `hexamer export-checkpoint` makes a model folder of it")
    if list(folder.glob("*.bin")) or list(folder.glob("*.joblib")):
        raise CheckpointError(
            f"{folder}: holds pickled weights only, which are never loaded; "
            "convert them to model.safetensors (the hub offers this for every model)"
        )
    raise CheckpointError(f"{folder}: no model.safetensors, nor shards with {_INDEX}")


class _NoInitialisation(TorchFunctionMode):
    """Context in which weights are not drawn: they come from a file, and drawing on "meta" imports the compiler."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))


def _fill(model: NucleotideTransformer, folder: Path, device: torch.device) -> None:
    """Give each parameter its tensor: mapped from the file where it can be as it is, else converted one at a time."""
    parameters: dict[str, Tensor] = model.state_dict()
    where: dict[str, Path] = {}
    for path in _weight_files(folder):
        with _open(path) as file:
            where |= dict.fromkeys(file.keys(), path)
    names = match_tensors(model.config, parameters, where, str(folder))
    state = {}
    for name, parameter in parameters.items():
        # Opened for each, since what was read of a file stays in memory for as long as it is open.
        with _open(where[names[name]]) as file:
            tensor = file.get_tensor(names[name])
        if tensor.shape != parameter.shape:
            raise CheckpointError(
                f"{folder}: {names[name]} has shape {list(tensor.shape)}, config.json wants {list(parameter.shape)}"
            )
        state[name] = tensor.to(device, parameter.dtype)
    model.load_state_dict(state, assign=True)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        file = safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors ({error})") from error
    with file:
        yield file
