"""The published file format: tensor names and `config.json` keys, both ways.

The hub files of NT v1, v2, the 3-mer model and AgroNT name their tensors as transformers' ESM does. Each name is either
renamed here, or stands on the short list of tensors that published files hold and no forward pass uses; any other
is an error, and so is a missing one. Source: published configurations and file listings, spec section 2.
Not here: reading and writing files (`checkpoint`).
"""

import re
from collections.abc import Iterable
from typing import Any

from hexamer.errors import CheckpointError, SettingsError
from hexamer.model.config import ModelConfig
from hexamer.tokens.tokenizer import CLS_ID, MASK_ID, PAD_ID

# (our name, published name); {i} is a block, counted from 0 in both.
_NAMES = [
    ("embed_tokens", "esm.embeddings.word_embeddings"),
    ("embed_positions", "esm.embeddings.position_embeddings"),
    ("blocks.{i}.attention_norm", "esm.encoder.layer.{i}.attention.LayerNorm"),
    ("blocks.{i}.attention.query", "esm.encoder.layer.{i}.attention.self.query"),
    ("blocks.{i}.attention.key", "esm.encoder.layer.{i}.attention.self.key"),
    ("blocks.{i}.attention.value", "esm.encoder.layer.{i}.attention.self.value"),
    ("blocks.{i}.attention.out", "esm.encoder.layer.{i}.attention.output.dense"),
    ("blocks.{i}.ffn_norm", "esm.encoder.layer.{i}.LayerNorm"),
    ("blocks.{i}.ffn.up", "esm.encoder.layer.{i}.intermediate.dense"),
    ("blocks.{i}.ffn.down", "esm.encoder.layer.{i}.output.dense"),
    ("final_norm", "esm.encoder.emb_layer_norm_after"),
    ("lm_head.dense", "lm_head.dense"),
    ("lm_head.norm", "lm_head.layer_norm"),
    ("lm_head.decoder", "lm_head.decoder"),
]

# What published files hold and nothing uses. Position tables are unused in v2 only.
_UNUSED = [
    r"esm\.embeddings\.position_ids",
    r"esm\.contact_head\.regression\.(weight|bias)",
    r"esm\.encoder\.layer\.\d+\.attention\.self\.rotary_embeddings\.inv_freq",
    r"esm\.rotary_embeddings\.inv_freq",
]


def published_names(config: ModelConfig, names: Iterable[str]) -> dict[str, str]:
    """Map our parameter names to published tensor names.

    Parameters
    ----------
    config : ModelConfig
    names : iterable of str
        Parameter names of a `NucleotideTransformer`.

    Returns
    -------
    dict of str to str
        Our name to published name, in the order given.

    Examples
    --------
    >>> config = ModelConfig(layers=1, width=8, heads=2, ffn=8)
    >>> published_names(config, ["blocks.0.ffn.up.weight", "lm_head.decoder.bias"])
    {'blocks.0.ffn.up.weight': 'esm.encoder.layer.0.intermediate.dense.weight', 'lm_head.decoder.bias': 'lm_head.bias'}
    """
    table = dict(_NAMES)
    renamed = {}
    for name in names:
        module, leaf = name.rsplit(".", 1)
        block = re.search(r"\.(\d+)\.", module)
        pattern = re.sub(r"\.\d+\.", ".{i}.", module, count=1)
        renamed[name] = table[pattern].replace("{i}", block[1] if block else "") + f".{leaf}"
        if name == "lm_head.decoder.bias":
            renamed[name] = "lm_head.bias"
    return renamed


def match_tensors(config: ModelConfig, names: Iterable[str], found: Iterable[str], source: str) -> dict[str, str]:
    """Find each parameter's tensor in a published file, and account for every tensor of the file.

    Parameters
    ----------
    config : ModelConfig
    names : iterable of str
        Parameter names of a `NucleotideTransformer`.
    found : iterable of str
        Tensor names in the file.
    source : str
        The file's name, for the error.

    Returns
    -------
    dict of str to str
        Our name to the file's name.

    Raises
    ------
    CheckpointError
        If a parameter's tensor is missing, or a tensor of the file is neither used nor known to be unused.
    """
    wanted, left = published_names(config, names), set(found)
    missing = [name for name in wanted.values() if name not in left]
    unused = [*_UNUSED, r"esm\.embeddings\.position_embeddings\.weight"] if config.layout == "v2" else _UNUSED
    # A second copy of the decoder's bias, which some files hold.
    unused = [*unused, r"lm_head\.decoder\.bias"]
    unknown = sorted(n for n in left - set(wanted.values()) if not any(re.fullmatch(p, n) for p in unused))
    for what, which in (("lacks", missing), ("holds unknown", unknown)):
        if which:
            some = ", ".join(which[:3]) + (f" and {len(which) - 3} more" if len(which) > 3 else "")
            raise CheckpointError(f"{source} {what} {some}; it is no {config.layout} checkpoint of these sizes")
    return wanted


def config_from_published(settings: dict[str, Any], source: str) -> ModelConfig:
    """Read a published `config.json`.

    Parameters
    ----------
    settings : dict
        The parsed file.
    source : str
        Its name, for the error.

    Returns
    -------
    ModelConfig

    Raises
    ------
    CheckpointError
        If a key is missing, or a setting has a value that no published Nucleotide Transformer has.
    """
    kinds = {"absolute": "v1", "rotary": "v2"}
    positions = settings.get("position_embedding_type")
    if settings.get("model_type") != "esm" or positions not in kinds:
        raise CheckpointError(
            f"{source}: model_type {settings.get('model_type')!r} with positions {positions!r} is no Nucleotide "
            "Transformer; 'esm' with 'absolute' (v1) or 'rotary' (v2) would work"
        )
    v1 = kinds[positions] == "v1"
    expected = {"token_dropout": v1, "emb_layer_norm_before": False, "add_bias_fnn": v1}
    for key, value in expected.items():
        if settings.get(key, value) not in (value, None):
            raise CheckpointError(f"{source}: {key} = {settings[key]!r} with {positions} positions is not supported")
    try:
        rows = int(settings["vocab_size"])
        config = ModelConfig(
            layers=int(settings["num_hidden_layers"]),
            width=int(settings["hidden_size"]),
            heads=int(settings["num_attention_heads"]),
            ffn=int(settings["intermediate_size"]),
            layout="v1" if v1 else "v2",
            k=3 if rows < 4**6 else 6,
            max_tokens=int(settings["max_position_embeddings"]) - 2,
            norm_eps=float(settings.get("layer_norm_eps", 1e-12)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{source}: {error} is missing or no number") from error
    except SettingsError as error:
        raise CheckpointError(f"{source}: {error}") from error
    if rows != config.vocabulary_size:
        raise CheckpointError(
            f"{source}: vocab_size {rows} does not fit {config.layout} {config.k}-mers ({config.vocabulary_size} rows)"
        )
    return config


def config_to_published(config: ModelConfig, dtype: str = "float32") -> dict[str, Any]:
    """Write a config as published files have it.

    Parameters
    ----------
    config : ModelConfig
    dtype : str
        Type of the stored weights.

    Returns
    -------
    dict
        Ready for `config.json`.
    """
    v1 = config.layout == "v1"
    return {
        "architectures": ["EsmForMaskedLM"],
        "model_type": "esm",
        "vocab_size": config.vocabulary_size,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.ffn,
        "max_position_embeddings": config.position_rows,
        "position_embedding_type": "absolute" if v1 else "rotary",
        "token_dropout": v1,
        "emb_layer_norm_before": False,
        "layer_norm_eps": config.norm_eps,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.02,
        "cls_token_id": CLS_ID,
        "pad_token_id": PAD_ID,
        "mask_token_id": MASK_ID,
        # Without a value, transformers assumes 2, which is <mask> here.
        "eos_token_id": None,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        **({} if v1 else {"add_bias_fnn": False}),
    }
