"""Fetch what the report carries of others: igv.js and Tabulator (needs npm). Change a version here, then run it."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent.parent / "src" / "hexamer" / "report" / "vendor"
PACKAGES = {
    "igv@3.8.10": {"dist/igv.min.js": "igv.min.js", "LICENSE": "igv.LICENSE"},
    "tabulator-tables@6.5.3": {
        "dist/js/tabulator.min.js": "tabulator.min.js",
        "dist/css/tabulator_simple.min.css": "tabulator_simple.min.css",
        "LICENSE": "tabulator.LICENSE",
    },
}
SOURCE_MAP = re.compile(r"\n(//# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ \*/)\s*$")


def main() -> None:
    """Write the files of each package."""
    for package, files in PACKAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
            (archive,) = Path(folder).glob("*.tgz")
            shutil.unpack_archive(archive, folder)
            for name, ours in files.items():
                text = (Path(folder) / "package" / name).read_text(encoding="utf-8")
                (VENDOR / ours).write_text(SOURCE_MAP.sub("\n", text), encoding="utf-8")


if __name__ == "__main__":
    main()
