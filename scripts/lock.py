"""Remake the lock files from pyproject.toml (needs uv on the PATH).

The Linux build of torch on PyPI brings several gigabytes of CUDA libraries; they go into requirements-cuda.lock,
which the set-up reads only when that build was installed. requirements-cpu.lock names the official CPU build, which
the set-up takes where pip is told of a place that offers it (PyPI does not).
"""

import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TORCH = "2.13.0"
# Of torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl.
CPU_WHEEL = "sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
CUDA = re.compile(r"(nvidia-|cuda-|triton)")
HEADER = "# Made by scripts/lock.py; do not edit.\n"


def main() -> None:
    """Write the three files."""
    with tempfile.TemporaryDirectory() as folder:
        build, pins, out = (Path(folder) / name for name in ("build.in", "pins.txt", "all.lock"))
        build.write_text("hatchling\neditables\n")
        pins.write_text(f"torch=={TORCH}\n")
        options = ["--group", "dev", "--extra", "hf", "--universal", "--python-version", "3.11", "--generate-hashes"]
        options += ["--no-emit-index-url", "--no-annotate", "--no-header", "--quiet"]
        command = ["uv", "pip", "compile", "pyproject.toml", build, *options, "-c", pins, "-o", out]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        entries = re.split(r"\n(?=[a-z])", out.read_text().strip())
    for name, wanted in (("requirements.lock", False), ("requirements-cuda.lock", True)):
        chosen = [entry for entry in entries if bool(CUDA.match(entry)) == wanted]
        (ROOT / name).write_text(HEADER + "\n".join(chosen) + "\n")
    cpu = f"torch=={TORCH}+cpu ; sys_platform == 'linux' and platform_machine == 'x86_64' and python_version == '3.11'"
    (ROOT / "requirements-cpu.lock").write_text(f"{HEADER}{cpu} \\\n    --hash={CPU_WHEEL}\n")


if __name__ == "__main__":
    main()
