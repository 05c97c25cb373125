"""Small trained weights in a frozen encoder: IA3 and LoRA, by the peft library.

Which layers take them is ours to say. IA3 as the paper has it: one factor for each channel of the keys, of the values,
and of the feed-forward network's inner activation (behind the non-linearity and, in v2, the gate), 1 at the beginning;
keys are scaled before their rotary turn. LoRA on queries and values, as the published notebook. Adapters are kept in
peft's own format, so that peft loads them, too.
Source: Dalla-Torre et al. (2025), Methods; Liu et al. 2022 (IA3); Hu et al. 2021 (LoRA). Not here: heads (`heads`).
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from torch import nn

from hexamer.errors import CheckpointError, SettingsError
from hexamer.manifest import STRICT, write_atomically
from hexamer.model.checkpoint import load_model, save_model
from hexamer.model.transformer import NucleotideTransformer

_ADAPTER, _ENCODER = "adapter", "encoder"
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

Kind = Literal["ia3", "lora", "full", "head"]


@dataclass(frozen=True, kw_only=True)
class AdapterSettings:
    """Which weights of an encoder are trained.

    Raises
    ------
    SettingsError
        If the kind does not exist or a number is out of its range.
    """

    __pydantic_config__ = STRICT

    kind: Kind = "ia3"
    """`ia3`, `lora`, `full` (all weights of the encoder) or `head` (that alone)."""
    rank: int = 1
    """Of LoRA's matrices; 1 in the published notebook."""
    alpha: float = 32.0
    """LoRA's product is scaled by alpha / rank; 32 in the published notebook."""
    dropout: float = 0.1
    """Share of LoRA's inputs that are dropped in training; 0.1 in the published notebook."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SettingsError(f"adapter {self.kind!r} is unknown; {', '.join(get_args(Kind))} would work")
        if self.rank < 1 or not self.alpha > 0 or not 0 <= self.dropout < 1:
            raise SettingsError(f"{self}: rank from 1, alpha above 0 and dropout from 0 to below 1 would work")


def add_adapter(model: NucleotideTransformer, settings: AdapterSettings) -> None:
    """Freeze an encoder but for what the settings train; the language-model head is always frozen.

    Parameters
    ----------
    model : NucleotideTransformer
        Changed in place. Before training it says the same as without: factors are 1 and products 0.
    settings : AdapterSettings

    Raises
    ------
    SettingsError
        If peft is not installed and the kind needs it.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=2, width=32, heads=4, ffn=64))
    >>> add_adapter(model, AdapterSettings(kind="ia3"))
    >>> count_trained(model)[0]  # 2 x (32 + 32 + 64)
    256
    """
    model.requires_grad_(settings.kind == "full")
    model.lm_head.requires_grad_(False)
    if settings.kind in ("ia3", "lora"):
        _peft().inject_adapter_in_model(_peft_config(settings), model)


def count_trained(module: nn.Module) -> tuple[int, int]:
    """Count weights that are trained, and all.

    Parameters
    ----------
    module : Module

    Returns
    -------
    trained, all : int
    """
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in module.parameters()]
    return sum(count for count, trained in counts if trained), sum(count for count, _ in counts)


def is_adapter(name: str) -> bool:
    """Say whether a weight of this name belongs to an adapter.

    Parameters
    ----------
    name : str
        As in `named_parameters`.

    Returns
    -------
    bool
    """
    return ".ia3_" in name or ".lora_" in name


def has_adapter(model: NucleotideTransformer) -> bool:
    """Whether an encoder has an adapter that is not merged.

    Parameters
    ----------
    model : NucleotideTransformer

    Returns
    -------
    bool
    """
    return getattr(model, "peft_config", None) is not None


def save_adapter(model: NucleotideTransformer, folder: str | Path) -> Path:
    """Write an encoder's adapter in peft's format: adapter_config.json and adapter_model.safetensors.

    Parameters
    ----------
    model : NucleotideTransformer
        With an adapter; its own weights are not written.
    folder : str or Path
        Made if it is not there.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config: Any = model.peft_config
    state = _peft().get_peft_model_state_dict(model)
    # What peft's own wrapper calls the model that it holds.
    state = {f"base_model.model.{name}": t.detach().cpu().contiguous().clone() for name, t in state.items()}
    with write_atomically(folder / _WEIGHTS) as temporary:
        save_file(state, temporary, {"format": "pt"})
    with tempfile.TemporaryDirectory() as made, write_atomically(folder / _CONFIG) as temporary:
        config["default"].save_pretrained(made)
        temporary.write_bytes((Path(made) / _CONFIG).read_bytes())
    return folder


def load_adapter(model: NucleotideTransformer, folder: str | Path) -> None:
    """Put a saved adapter into an encoder.

    Parameters
    ----------
    model : NucleotideTransformer
        The encoder that it was trained with; changed in place.
    folder : str or Path

    Raises
    ------
    CheckpointError
        If the folder holds no adapter that fits.
    SettingsError
        If peft is not installed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    peft, folder = _peft(), Path(folder)
    if not (folder / _CONFIG).is_file():  # peft would ask the hub for a model of this name
        raise CheckpointError(f"{folder}: no adapter for this model (no {_CONFIG})")
    try:
        config = peft.PeftConfig.from_pretrained(str(folder))
        state = load_file(folder / _WEIGHTS)
        config.inference_mode = True
        peft.inject_adapter_in_model(config, model)
        state = {name.removeprefix("base_model.model."): tensor for name, tensor in state.items()}
        found = peft.set_peft_model_state_dict(model, state)
    except (OSError, SafetensorError, ValueError, RuntimeError, TypeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error) else type(error).__name__
        raise CheckpointError(f"{folder}: no adapter for this model ({reason})") from None
    missing = [name for name in getattr(found, "missing_keys", ()) if ".ia3_" in name or ".lora_" in name]
    if missing or found.unexpected_keys:
        wrong = (missing or found.unexpected_keys)[0]
        raise CheckpointError(
            f"{folder}: the adapter is not of this model ({wrong}); the encoder that it was trained with would work"
        )
    model.requires_grad_(False)


def save_trained(model: NucleotideTransformer, folder: str | Path, kind: Kind) -> None:
    """Write what fine-tuning changed of an encoder: its adapter, or all of it, or nothing.

    Parameters
    ----------
    model : NucleotideTransformer
    folder : str or Path
        Gets a folder `adapter` or `encoder`.
    kind : str
        As `AdapterSettings`.
    """
    if kind in ("ia3", "lora"):
        save_adapter(model, Path(folder) / _ADAPTER)
    elif kind == "full":
        save_model(model, Path(folder) / _ENCODER)


def load_trained(folder: str | Path, kind: Kind, source: str, *, device: str = "auto") -> NucleotideTransformer:
    """Load an encoder as `save_trained` left it.

    Parameters
    ----------
    folder : str or Path
    kind : str
        As `AdapterSettings`.
    source : str
        The encoder that was fine-tuned; not needed of `full`.
    device : str
        As `load_model`.

    Returns
    -------
    NucleotideTransformer
        Frozen, in eval mode.

    Raises
    ------
    CheckpointError
        If an encoder or adapter cannot be read.
    """
    model = load_model(Path(folder) / _ENCODER if kind == "full" else source, device=device)
    if kind in ("ia3", "lora"):
        load_adapter(model, Path(folder) / _ADAPTER)
    return model.eval()


def merge_adapter(model: NucleotideTransformer) -> None:
    """Multiply an encoder's adapter into its weights: the same answers up to rounding, and a plain model again.

    It is a new model that is in no folder yet; `save_model` puts it into one.

    Parameters
    ----------
    model : NucleotideTransformer
        Changed in place.
    """
    if not has_adapter(model):
        return
    for name, layer in list(model.named_modules()):
        if hasattr(layer, "base_layer") and hasattr(layer, "merge"):
            layer.merge(safe_merge=True)
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, layer.get_base_layer())
    del model.peft_config
    model.source = ""  # no folder holds these weights
    model.requires_grad_(False)


def _peft_config(settings: AdapterSettings) -> Any:
    peft = _peft()
    if settings.kind == "ia3":
        # peft scales what goes into a feed-forward layer, and what comes out of the others.
        inner = r".*\.ffn\.down"
        return peft.IA3Config(target_modules=rf".*\.attention\.(key|value)|{inner}", feedforward_modules=inner)
    return peft.LoraConfig(
        target_modules=r".*\.attention\.(query|value)",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
    )


def _peft() -> Any:
    try:
        import peft
    except ImportError:
        raise SettingsError("IA3 and LoRA need peft; pip install 'hexamer[peft]' would work") from None
    return peft
