import subprocess
import sys

import pytest
import torch
from torch import Tensor

from hexamer.model.operators import operator


def gradients(ctx, gradient: Tensor, _) -> tuple[Tensor, Tensor, None]:
    a, b, out, rest = ctx.saved_tensors
    assert torch.equal(out, a * b)
    assert torch.equal(rest, a - b)
    return gradient * b, gradient * a, None


@operator(lambda a, b, times: (torch.empty_like(a), torch.empty_like(a)), gradients, keep_results=True)
def example_product(a: Tensor, b: Tensor, times: float = 1.0) -> tuple[Tensor, Tensor]:
    """Tell a product and a difference."""
    return a * b * times, a - b


@operator(lambda a: a.new_empty(2, *a.shape))
def example_pair(a: Tensor) -> Tensor:
    return torch.stack([a, a])


def test_an_operator_has_a_name_a_signature_and_gradients():
    assert example_product.__doc__ == "Tell a product and a difference."
    schema = str(torch.ops.hexamer.example_product.default._schema)
    assert schema == "hexamer::example_product(Tensor a, Tensor b, float times=1.) -> (Tensor, Tensor)"
    a, b = torch.randn(2, 3, 4).unbind(0)
    a.requires_grad_()
    b.requires_grad_()
    out, _ = example_product(a, b)
    assert torch.equal(out, a * b)
    assert all(map(torch.equal, torch.autograd.grad(out.sum(), (a, b)), (b, a)))


def test_shapes_stand_in_for_results():
    assert torch.ops.hexamer.example_pair(torch.empty(3, device="meta")).shape == (2, 3)


def test_missing_gradients_are_an_error():
    total = example_pair(torch.ones(3, requires_grad=True)).sum()
    with pytest.raises(NotImplementedError, match="example_pair has no gradients"):
        total.backward()


def test_an_operator_does_not_import_the_compiler():
    code = (
        "import sys, torch; from hexamer.model import ModelConfig, NucleotideTransformer\n"
        "model = NucleotideTransformer(ModelConfig(layers=1, width=32, heads=2, ffn=32))\n"
        "model(torch.tensor([[3, 9, 10]])).logits.sum().backward()\n"
        "print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
