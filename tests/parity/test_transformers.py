"""v1 files are transformers' files: what we save loads there, what it saves loads here, with equal numbers."""

import logging
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hexamer.errors import CheckpointError
from hexamer.model import ModelConfig, NucleotideTransformer, load_model, save_model
from hexamer.tokens import Tokenizer

transformers = pytest.importorskip("transformers", reason="NOT CHECKED AGAINST transformers: it is not installed")

LAYERS = (0, 1, 2, 3)


@pytest.fixture
def model() -> NucleotideTransformer:
    torch.manual_seed(0)
    model = NucleotideTransformer(ModelConfig(layers=3, width=32, heads=4, ffn=48, layout="v1", max_tokens=60))
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)


@pytest.fixture
def ids(model: NucleotideTransformer) -> torch.Tensor:
    """Four sequences of several lengths, right-padded, with N, remainders and three masks."""
    draw = random.Random(0)
    sequences = ["".join(draw.choices("ACGT", k=n)) for n in (330, 100, 7)] + ["ACGTGTACNTGCACGGANCGACTAGTCTGA"]
    found = model.tokenizer.encode(sequences)
    batch = torch.ones(4, max(map(len, found)), dtype=torch.long)
    for row, tokens in zip(batch, found, strict=True):
        row[: len(tokens)] = torch.as_tensor(tokens)
    batch[0, 4] = batch[0, 9] = batch[3, 2] = 2
    return batch


def theirs(folder: Path):
    """transformers' model of a folder, whatever it reports of missing or unexpected keys being an error."""
    peer, report = transformers.EsmForMaskedLM.from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True
    )
    assert {kind: list(keys) for kind, keys in report.items() if keys} == {}
    return peer.eval()


def assert_equal_numbers(model: NucleotideTransformer, peer, ids: torch.Tensor) -> None:
    real = ids != 1
    with torch.no_grad():
        expected = peer(ids, attention_mask=real.long(), output_hidden_states=True, output_attentions=True)
    found = model(ids, layers=LAYERS, attentions=[(layer, head) for layer in (1, 2, 3) for head in range(4)])
    torch.testing.assert_close(found.logits[real], expected.logits[real], atol=1e-5, rtol=0)
    for layer in LAYERS:
        torch.testing.assert_close(found.hidden[layer][real], expected.hidden_states[layer][real], atol=1e-5, rtol=0)
    both = real[:, :, None] & real[:, None, :]
    for (layer, head), weights in found.attentions.items():
        torch.testing.assert_close(weights[both], expected.attentions[layer - 1][:, head][both], atol=1e-5, rtol=0)
    assert expected.logits[real].abs().max() > 0.5, "the numbers say something"


def test_what_we_save_loads_there(
    model: NucleotideTransformer, ids: torch.Tensor, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = save_model(model, tmp_path / "ours")
    with caplog.at_level(logging.WARNING, logger="transformers"):
        peer = theirs(folder)
    assert caplog.records == []
    assert_equal_numbers(model, peer, ids)
    assert not peer.config.tie_word_embeddings


def test_what_they_save_loads_here(model: NucleotideTransformer, ids: torch.Tensor, tmp_path: Path):
    peer = theirs(save_model(model, tmp_path / "ours"))
    torch.manual_seed(5)
    for parameter in peer.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    peer.save_pretrained(tmp_path / "theirs")
    loaded = load_model(tmp_path / "theirs", device="cpu")
    assert loaded.config == model.config
    assert_equal_numbers(loaded, peer, ids)
    assert (loaded.embed_tokens.weight - model.embed_tokens.weight).abs().max() > 0.01, "these are the new weights"


def test_their_files_may_hold_more_or_less_of_what_is_not_used(
    model: NucleotideTransformer, ids: torch.Tensor, tmp_path: Path
):
    theirs(save_model(model, tmp_path / "ours")).save_pretrained(tmp_path / "theirs")
    path = tmp_path / "theirs" / "model.safetensors"
    tensors = load_file(path)
    fewer = {name: tensor for name, tensor in tensors.items() if "contact_head" not in name}
    more = tensors | {
        "esm.embeddings.position_ids": torch.arange(62)[None],
        "lm_head.decoder.bias": tensors["lm_head.bias"].clone(),
    }
    for contents in (fewer, more):
        save_file(contents, path, metadata={"format": "pt"})
        assert torch.equal(load_model(tmp_path / "theirs", device="cpu")(ids).logits, model(ids).logits)
    save_file(tensors | {"esm.pooler.dense.bias": torch.zeros(32)}, path)
    with pytest.raises(CheckpointError, match=r"holds unknown esm\.pooler\.dense\.bias"):
        load_model(tmp_path / "theirs", device="cpu")


def test_their_shards_load_here(model: NucleotideTransformer, ids: torch.Tensor, tmp_path: Path):
    peer = theirs(save_model(model, tmp_path / "ours"))
    peer.save_pretrained(tmp_path / "theirs", max_shard_size="300KB")
    assert len(list((tmp_path / "theirs").glob("model-*.safetensors"))) > 1
    assert_equal_numbers(load_model(tmp_path / "theirs", device="cpu"), peer, ids)


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_tokens_are_theirs(layout, tmp_path: Path):
    tokenizer = Tokenizer(layout)
    (tmp_path / "vocab.txt").write_text("\n".join(tokenizer.vocabulary))
    peer = transformers.EsmTokenizer(str(tmp_path / "vocab.txt"), eos_token=None)
    draw = random.Random(1)
    sequences = [
        "".join(draw.choices("ACGTN", weights=[9, 9, 9, 9, rare], k=draw.randrange(1, 90))) for rare in (0, 1, 9) * 60
    ]
    sequences += ["N", "NNNNNNN", "A", "ACGTAC", "ACGTACN", "NACGTAC", "ACGTGTACNTGCACGGANCGACTAGTCTGA"]
    for sequence, ids in zip(sequences, tokenizer.encode(sequences), strict=True):
        assert peer(sequence)["input_ids"] == ids.tolist(), sequence
    assert np.unique(np.concatenate(tokenizer.encode(sequences))).size > 500
