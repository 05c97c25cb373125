from dataclasses import replace

import pytest
import torch

from hexamer.model import ModelConfig, NucleotideTransformer
from hexamer.training.initial import compose, compose_tokens
from hexamer.training.pretrain import pretrain


@pytest.mark.parametrize(("layout", "k"), [("v2", 6), ("v1", 3)])
def test_kmers_are_as_alike_as_their_bases(layout: str, k: int):
    torch.manual_seed(2)
    model = NucleotideTransformer(ModelConfig(layers=1, width=256, heads=4, ffn=8, layout=layout, k=k))
    before = {name: x.clone() for name, x in model.state_dict().items()}
    compose_tokens(model)
    word = ("ACGTAC" * 2)[:k]
    changed = [word[:-i] + "G" * i if i else word for i in range(k)]
    for table in (model.embed_tokens.weight, model.lm_head.decoder.weight):
        vectors = table[[model.tokenizer.kmer_id(kmer) for kmer in changed]]
        likeness = torch.cosine_similarity(vectors[:1], vectors)[1:].tolist()
        assert likeness[0] > 0.3
        assert sorted(likeness, reverse=True) == likeness
        assert 0.018 < float(table.detach().std()) < 0.022
    composed = {name for name, x in model.state_dict().items() if not torch.equal(x, before[name])}
    assert composed == {"embed_tokens.weight", "lm_head.decoder.weight"}
    others = [model.tokenizer.n_id, 0, 1, 2, 3]
    assert torch.equal(model.embed_tokens.weight[others], before["embed_tokens.weight"][others])


def test_two_heads_of_each_block_look_at_neighbours():
    torch.manual_seed(3)
    model = NucleotideTransformer(ModelConfig(layers=2, width=192, heads=3, ffn=32)).eval()
    compose(model)
    ids = torch.as_tensor(model.tokenizer.encode(["ACGTTGCATTGACCAGTAGTCAGGAT" * 20])[0])[None]
    maps = model(ids, attentions=[(block, head) for block in (1, 2) for head in (0, 1, 2)]).attentions
    for (_, head), found in maps.items():
        ahead = found[0].diagonal(1 if head == 1 else -1)
        if head <= 1:
            assert ahead.min() > 0.5, "most of the attention goes to the neighbour"
        else:
            assert ahead.mean() < 0.1


def test_learned_positions_have_no_neighbours_to_look_at():
    model = NucleotideTransformer(ModelConfig(layers=1, width=64, heads=2, ffn=8, layout="v1"))
    compose(model)
    assert not model.blocks[0].attention.query.bias.any()


def test_a_run_can_begin_so(config):
    plain = pretrain(replace(config, max_steps=1, out=config.out + "-plain"), progress=False)
    composed = pretrain(replace(config, max_steps=1, initial="composed"), progress=False)
    one, other = (m.embed_tokens.weight for m in (plain, composed))
    assert not torch.equal(one, other)
