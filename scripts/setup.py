"""Make .venv from the lock files; needs nothing but Python 3.11 or later with pip.

Safe to stop and to repeat: `.venv/ready`, which says that the environment is complete, is written last.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if sys.platform == "win32" else "bin") / "python"
PIP = [PYTHON, "-m", "pip", "--disable-pip-version-check", "-qq"]


def run(*command: object) -> None:
    """Run a command or stop with one line."""
    if subprocess.run([str(part) for part in command], cwd=ROOT).returncode:
        sys.exit(f"set-up failed at: {' '.join(str(part) for part in command[:6])} ...")


def say(text: str) -> None:
    """Print a line on stderr at once."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Make the environment."""
    if sys.version_info < (3, 11):
        sys.exit(
            f"hexamer needs Python 3.11 or later, this is {sys.version.split()[0]}; make PYTHON=python3.11 would work"
        )
    say("setting up .venv from requirements.lock: once, a few minutes")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        sys.exit("this Python has no venv module; on Debian and Ubuntu: apt install python3-venv")
    say("1/4 an empty environment")
    run(sys.executable, "-m", "venv", "--clear", VENV)
    locked = [*PIP, "install", "--require-hashes", "--no-deps", "-r"]
    # The small CPU build of torch, where pip is set up to find it; otherwise requirements.lock brings the build on
    # PyPI.
    say("2/4 torch, the small CPU build if pip can find it")
    subprocess.run([*locked, "requirements-cpu.lock"], cwd=ROOT, capture_output=True)
    say("3/4 everything else, the longest part")
    run(*locked, "requirements.lock")
    show = "from importlib.metadata import version; print(version('torch'))"
    torch = subprocess.run([PYTHON, "-c", show], capture_output=True, text=True, check=True).stdout.strip()
    if sys.platform == "linux" and not torch.endswith("+cpu"):
        say(f"    torch {torch} is a CUDA build: its libraries")
        run(*locked, "requirements-cuda.lock")
    say("4/4 hexamer itself")
    run(*PIP, "install", "--no-deps", "--no-build-isolation", "--editable", ".")
    (VENV / "ready").touch()


if __name__ == "__main__":
    main()
