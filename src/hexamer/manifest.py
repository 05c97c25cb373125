"""What produced a result: versions, settings, inputs and their checksums, counts.

Every output gets a manifest beside it, `OUT.manifest.json`, or `manifest.json` in a folder. Settings are frozen
dataclasses, read from TOML and written back resolved, so that a run's own file can be fed in again.
"""

import dataclasses
import difflib
import hashlib
import json
import os
import platform
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from hexamer.errors import OutputError, SettingsError

S = TypeVar("S")

STRICT = {"extra": "forbid"}
"""The `__pydantic_config__` of every settings dataclass: a key that does not exist is an error."""

_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
_RUN = "run.json"
_PARTS = ("hexamer", "torch", "numpy", "pysam", "safetensors")


def package_versions() -> dict[str, str]:
    """Versions of Python and of the parts that numbers depend on.

    Returns
    -------
    dict of str to str
    """
    found = {"python": platform.python_version()}
    for part in _PARTS:
        try:
            found[part] = version(part)
        except PackageNotFoundError:
            found[part] = "not installed"
    return found


def checksum(path: str | Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    str
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_file(path: str | Path) -> dict[str, str | int]:
    """Name, size and SHA-256 of an input; standard input is named only.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict
    """
    if str(path) == "-" or not Path(path).is_file():
        return {"path": str(path)}
    return {"path": str(path), "bytes": Path(path).stat().st_size, "sha256": checksum(path)}


def write_manifest(path: str | Path, **facts: Any) -> Path:
    """Write what produced a result, atomically.

    Parameters
    ----------
    path : str or Path
        The manifest's name.
    **facts
        Anything that JSON can hold; dataclasses are written as tables.

    Returns
    -------
    Path
    """
    record = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": sys.argv,
        "versions": package_versions(),
        **facts,
    }
    with write_atomically(path) as temporary:
        temporary.write_text(write_json(record) + "\n")
    return Path(path)


def write_json(facts: Any) -> str:
    """Write facts as JSON: dataclasses as tables, numbers that are none (NaN, infinity) as null.

    Examples
    --------
    >>> print(write_json({"auroc": float("nan")}))
    {
      "auroc": null
    }
    """
    finite = json.loads(json.dumps(facts, default=_plain), parse_constant=lambda word: None)
    return json.dumps(finite, indent=2)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


@contextmanager
def write_atomically(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : str or Path
        The final name.

    Yields
    ------
    Path
        A temporary name in the same folder, with the same endings; it takes the final name when the block ends
        well, and vanishes otherwise.

    Raises
    ------
    OutputError
        If the folder is missing or cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; a file name would work")
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=f".{os.getpid()}.{path.name}", dir=path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); does the folder exist?") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def open_parts(folder: str | Path, facts: Mapping[str, Any]) -> Path:
    """Make a folder for the parts of a long run, or find that it is of this run, which then goes on from them.

    Parameters
    ----------
    folder : str or Path
        Its `run.json` has the facts.
    facts : mapping
        All that the parts depend on, as JSON can hold it.

    Returns
    -------
    Path

    Raises
    ------
    SettingsError
        If the folder is of another run.
    OutputError
        If it cannot be made.
    """
    folder = Path(folder)
    told, wanted = folder / _RUN, json.loads(write_json(facts))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            with write_atomically(told) as temporary:
                temporary.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
        known = json.loads(told.read_text(encoding="utf-8"))
    except (ValueError, FileNotFoundError):
        known = None
    except OSError as problem:
        raise OutputError(f"{folder}: cannot be made ({problem.strerror}); another --out would work") from None
    if known != wanted:
        others = known if isinstance(known, dict) else {}
        names = ", ".join(name for name in wanted if others.get(name) != wanted[name])
        raise SettingsError(f"{folder}: has parts of another run ({names} differ); another --out would work")
    return folder


def read_settings(kind: type[S], path: str | Path, **overrides: Any) -> S:
    """Read settings from TOML.

    Parameters
    ----------
    kind : type
        A frozen dataclass.
    path : str or Path
        The TOML file.
    **overrides
        Values that replace the file's; None leaves the file's.

    Returns
    -------
    object of `kind`

    Raises
    ------
    SettingsError
        If the file is unreadable, a key unknown (the nearest valid one is named) or a value of the wrong type.
    """
    return make_settings(kind, read_toml(path) | {k: v for k, v in overrides.items() if v is not None}, str(path))


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file as a table, whose keys are not looked at.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict

    Raises
    ------
    SettingsError
        If it is not there or not readable.
    """
    try:
        return tomllib.loads(Path(path).read_text())
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such recipe") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path}: not readable as TOML ({error})") from error


def make_settings(kind: type[S], table: Mapping[str, Any], where: str) -> S:
    """Check a table against a settings dataclass.

    Parameters
    ----------
    kind : type
        A frozen dataclass.
    table : mapping
        Parsed TOML.
    where : str
        What the error calls the source.

    Returns
    -------
    object of `kind`

    Raises
    ------
    SettingsError
        As `read_settings`.
    """
    from pydantic import TypeAdapter, ValidationError  # slow import, needed for recipes only

    try:
        return TypeAdapter(kind).validate_python(dict(table))
    except ValidationError as error:
        # A misspelt key is often a missing one too: the misspelling says more.
        first = min(error.errors(), key=lambda found: found["type"] not in _UNKNOWN)
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] in _UNKNOWN:
            names = _field_names(kind)
            near = difflib.get_close_matches(str(first["loc"][-1]), names, n=1, cutoff=0.0)
            raise SettingsError(f"{where}: there is no setting {key!r}; the nearest is {near[0]!r}") from error
        if first["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
            raise SettingsError(f"{where}: the setting {key!r} is missing") from error
        raise SettingsError(f"{where}: {key} = {first['input']!r}: {first['msg']}") from error


def _field_names(kind: type) -> list[str]:
    """Names of all settings of a dataclass and of the dataclasses within it."""
    names: list[str] = []
    for field in dataclasses.fields(kind):
        names.append(field.name)
        inner = [field.type, *getattr(field.type, "__args__", ())]
        names += [n for part in inner if dataclasses.is_dataclass(part) for n in _field_names(part)]  # type: ignore[arg-type]
    return names


def write_settings(path: str | Path, settings: Any) -> None:
    """Write resolved settings as TOML that `read_settings` reads back to an equal object.

    Parameters
    ----------
    path : str or Path
    settings : dataclass instance
    """
    import tomli_w

    with write_atomically(path) as temporary:
        temporary.write_text(tomli_w.dumps(_without_none(dataclasses.asdict(settings))))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value]
    return value
