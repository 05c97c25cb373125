import pytest
import torch

from hexamer.model import ModelConfig, NucleotideTransformer

CONFIGS = {
    "v1": ModelConfig(layers=3, width=16, heads=4, ffn=24, layout="v1", max_tokens=40),
    "v2": ModelConfig(layers=3, width=16, heads=4, ffn=24, layout="v2", max_tokens=40),
    "codon": ModelConfig(layers=3, width=16, heads=4, ffn=24, layout="v2", k=3, max_tokens=40),
}


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> NucleotideTransformer:
    """Three blocks of width 16 of each kind; weights large enough that every tensor matters, biases and norms too."""
    torch.manual_seed(0)
    model = NucleotideTransformer(CONFIGS[request.param])
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)
