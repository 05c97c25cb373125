import json

import pytest
import torch

from hexamer.errors import CheckpointError
from hexamer.model import SIZES, ModelConfig, NucleotideTransformer
from hexamer.model.published import config_from_published, config_to_published, match_tensors, published_names

# The published list (names of transformers' ESM), without the block's number; V, d, f and 2f are rows and columns.
ONCE = {
    "esm.embeddings.word_embeddings.weight": "V d",
    "esm.encoder.emb_layer_norm_after.weight": "d",
    "esm.encoder.emb_layer_norm_after.bias": "d",
    "lm_head.dense.weight": "d d",
    "lm_head.dense.bias": "d",
    "lm_head.layer_norm.weight": "d",
    "lm_head.layer_norm.bias": "d",
    "lm_head.decoder.weight": "V d",
    "lm_head.bias": "V",
}
PER_BLOCK = {
    "attention.LayerNorm.weight": "d",
    "attention.LayerNorm.bias": "d",
    "attention.self.query.weight": "d d",
    "attention.self.query.bias": "d",
    "attention.self.key.weight": "d d",
    "attention.self.key.bias": "d",
    "attention.self.value.weight": "d d",
    "attention.self.value.bias": "d",
    "attention.output.dense.weight": "d d",
    "attention.output.dense.bias": "d",
    "LayerNorm.weight": "d",
    "LayerNorm.bias": "d",
}
V1_ONLY = {
    "intermediate.dense.weight": "f d",
    "intermediate.dense.bias": "f",
    "output.dense.weight": "d f",
    "output.dense.bias": "d",
}
V2_ONLY = {"intermediate.dense.weight": "2f d", "output.dense.weight": "d f"}
UNUSED = [
    "esm.contact_head.regression.weight",
    "esm.contact_head.regression.bias",
    "esm.embeddings.position_ids",
    "esm.rotary_embeddings.inv_freq",
    "esm.encoder.layer.0.attention.self.rotary_embeddings.inv_freq",
    "esm.encoder.layer.11.attention.self.rotary_embeddings.inv_freq",
    "lm_head.decoder.bias",
]


def published_list(config: ModelConfig) -> dict[str, list[int]]:
    letters = {"V": config.vocabulary_size, "d": config.width, "f": config.ffn, "2f": 2 * config.ffn}
    block = PER_BLOCK | (V1_ONLY if config.layout == "v1" else V2_ONLY)
    names = ONCE | {f"esm.encoder.layer.{i}.{name}": s for i in range(config.layers) for name, s in block.items()}
    found = {name: [letters[letter] for letter in shape.split()] for name, shape in names.items()}
    if config.layout == "v1":
        found["esm.embeddings.position_embeddings.weight"] = [config.max_tokens + 2, config.width]
    return found


def config_of(layout, layers: int = 12) -> ModelConfig:
    return ModelConfig(layers=layers, width=16, heads=4, ffn=24, layout=layout, max_tokens=40)


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_names_and_shapes_are_the_published_list(layout):
    config = config_of(layout)
    with torch.device("meta"):
        state = NucleotideTransformer(config).state_dict()
    names = published_names(config, state)
    assert list(names) == list(state)
    assert len(set(names.values())) == len(names), "no two share a tensor"
    assert {names[name]: list(parameter.shape) for name, parameter in state.items()} == published_list(config)


def test_the_norms_are_not_swapped():
    config = config_of("v2", layers=1)
    names = [
        "blocks.0.attention_norm.weight",
        "blocks.0.ffn_norm.weight",
        "blocks.0.attention.out.bias",
        "final_norm.bias",
    ]
    assert list(published_names(config, names).values()) == [
        "esm.encoder.layer.0.attention.LayerNorm.weight",
        "esm.encoder.layer.0.LayerNorm.weight",
        "esm.encoder.layer.0.attention.output.dense.bias",
        "esm.encoder.emb_layer_norm_after.bias",
    ]


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_known_unused_tensors_are_passed_over(layout):
    config = config_of(layout)
    with torch.device("meta"):
        ours = list(NucleotideTransformer(config).state_dict())
    found = [*published_list(config), *UNUSED]
    assert match_tensors(config, ours, found, "x") == published_names(config, ours)
    if layout == "v2":
        assert match_tensors(config, ours, [*found, "esm.embeddings.position_embeddings.weight"], "x")


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_every_missing_tensor_is_named(layout):
    config = config_of(layout, layers=2)
    with torch.device("meta"):
        ours = list(NucleotideTransformer(config).state_dict())
    all_names = [*published_list(config)]
    for missing in all_names:
        with pytest.raises(CheckpointError) as caught:
            match_tensors(config, ours, [name for name in all_names if name != missing], "file")
        assert str(caught.value) == f"file lacks {missing}; it is no {layout} checkpoint of these sizes"
    with pytest.raises(CheckpointError, match=f"and {len(all_names) - 3} more"):
        match_tensors(config, ours, [], "file")


@pytest.mark.parametrize(
    "unknown",
    [
        "esm.encoder.layer.2.LayerNorm.weight",
        "esm.embeddings.layer_norm.weight",
        "esm.pooler.dense.weight",
        "classifier.weight",
        "esm.contact_head.regression.scale",
        "prefix.esm.contact_head.regression.weight",
        "lm_head.decoder.bias2",
    ],
)
def test_every_unknown_tensor_is_named(unknown: str):
    config = config_of("v2", layers=2)
    with torch.device("meta"):
        ours = list(NucleotideTransformer(config).state_dict())
    with pytest.raises(CheckpointError, match=f"file holds unknown {unknown}; it is no v2 checkpoint"):
        match_tensors(config, ours, [*published_list(config), unknown], "file")


def test_feed_forward_biases_in_v2_are_unknown():
    config = config_of("v2", layers=1)
    with torch.device("meta"):
        ours = list(NucleotideTransformer(config).state_dict())
    with pytest.raises(CheckpointError, match=r"holds unknown esm\.encoder\.layer\.0\.intermediate\.dense\.bias"):
        match_tensors(config, ours, [*published_list(config), "esm.encoder.layer.0.intermediate.dense.bias"], "file")


@pytest.mark.parametrize("name", SIZES)
def test_config_round_trip(name: str):
    settings = json.loads(json.dumps(config_to_published(SIZES[name])))
    assert config_from_published(settings, "x") == SIZES[name]


def test_a_written_config_says_what_transformers_must_know():
    v1, v2 = (config_to_published(config_of(layout), "bfloat16") for layout in ("v1", "v2"))
    assert (v1["vocab_size"], v1["max_position_embeddings"], v1["token_dropout"]) == (4105, 42, True)
    assert (v2["vocab_size"], v2["position_embedding_type"], v2["token_dropout"]) == (4107, "rotary", False)
    assert (v2["add_bias_fnn"], "add_bias_fnn" in v1) == (False, False)
    for settings in (v1, v2):
        assert settings["tie_word_embeddings"] is False
        assert settings["eos_token_id"] is None, "by default transformers takes 2, which is <mask> here"
        assert [settings[f"{name}_token_id"] for name in ("pad", "mask", "cls")] == [1, 2, 3]
        assert settings["torch_dtype"] == "bfloat16"


def test_a_published_config_has_more_keys_and_may_lack_some():
    settings = config_to_published(config_of("v1")) | {
        "auto_map": {},
        "transformers_version": "4.32",
        "add_bias_fnn": None,
    }
    for key in ("token_dropout", "emb_layer_norm_before", "layer_norm_eps", "eos_token_id", "torch_dtype"):
        settings.pop(key)
    assert config_from_published(settings, "x") == config_of("v1")


@pytest.mark.parametrize("layout", ["v1", "v2"])
@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"model_type": "bert"}, "model_type 'bert'"),
        ({"position_embedding_type": "alibi"}, "positions 'alibi'"),
        ({"position_embedding_type": None}, "positions None"),
        ({"emb_layer_norm_before": True}, "emb_layer_norm_before = True"),
        ({"vocab_size": 4000}, "vocab_size 4000 does not fit"),
        ({"vocab_size": 33}, "vocab_size 33 does not fit"),
        ({"vocab_size": "many"}, "is missing or no number"),
        ({"hidden_size": None}, "is missing or no number"),
        ({"num_hidden_layers": 0}, "layers = 0"),
        ({"num_attention_heads": 3}, "a multiple of the heads"),
        ({"layer_norm_eps": -1.0}, "norm_eps = -1.0"),
        ({"max_position_embeddings": 2}, "max_tokens = 0"),
    ],
)
def test_a_config_that_is_no_nucleotide_transformer(layout, change: dict, part: str):
    settings = config_to_published(config_of(layout)) | change
    with pytest.raises(CheckpointError) as caught:
        config_from_published(settings, "some/config.json")
    assert str(caught.value).startswith("some/config.json: ")
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("layout", "key", "value"),
    [("v1", "token_dropout", False), ("v2", "token_dropout", True), ("v2", "add_bias_fnn", True)],
)
def test_switches_that_no_published_model_has(layout, key: str, value: bool):
    with pytest.raises(CheckpointError, match=f"{key} = {value} with .* positions is not supported"):
        config_from_published(config_to_published(config_of(layout)) | {key: value}, "x")


@pytest.mark.parametrize(
    "key",
    [
        "vocab_size",
        "num_hidden_layers",
        "hidden_size",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
    ],
)
def test_a_missing_key_is_named(key: str):
    settings = config_to_published(config_of("v2"))
    del settings[key]
    with pytest.raises(CheckpointError, match=f"'{key}' is missing"):
        config_from_published(settings, "x")
