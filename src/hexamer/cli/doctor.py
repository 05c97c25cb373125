"""What is installed, and what it would run on: `doctor`."""

import time

import typer

from hexamer.cli.messages import examples
from hexamer.cli.options import DeviceOption, ModelOption

commands = typer.Typer()


@commands.command(epilog=examples("hexamer doctor", "hexamer doctor --model my-model/"))
def doctor(model: ModelOption = "hexamer-tiny", device: DeviceOption = "auto") -> None:
    """Say what is installed and where it would run.

    On which kernels and why, and whether the model loads.
    """
    import torch

    from hexamer.manifest import package_versions
    from hexamer.model import list_backends, load_model

    for part, version in package_versions().items():
        typer.echo(f"{part:<12} {version}")
    began = time.perf_counter()
    encoder = load_model(model, device=device)
    typer.echo(f"{'device':<12} {encoder.device}, {torch.get_num_threads()} threads")
    size = sum(parameter.numel() for parameter in encoder.parameters())
    typer.echo(f"{'model':<12} {model}: {size:,} weights, loaded in {time.perf_counter() - began:.2f} s")
    typer.echo(f"{'window':<12} {encoder.config.max_tokens} tokens, {encoder.config.max_bases:,} bases")
    head_width = encoder.config.width // encoder.config.heads
    for backend in list_backends(encoder.device, head_width=head_width):
        typer.echo(f"{backend.part:<12} {backend}")
