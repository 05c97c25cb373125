"""Cut the small golden folders that the repository holds out of the whole ones, which are too big for it.

    python tests/parity/make_golden.py WHOLE_GOLDEN_FOLDER

Four of the eight sequences are kept (two masks, a short one, N inside, runs of N), cropped to the longest. Of the word
embeddings and the decoder, nearly all of a tiny model, only the rows of tokens that occur in these sequences are kept:
`thin.safetensors` holds them with their ids as `rows`, and expected logits have these columns only. Nothing is computed
here; every number is the original implementation's.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).parent / "golden"
KEPT = [2, 3, 5, 6]
BY_ROW = ("esm.embeddings.word_embeddings.weight", "lm_head.decoder.weight", "lm_head.bias")


def thin(whole: Path, small: Path) -> None:
    small.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "vocab.txt"):
        shutil.copyfile(whole / name, small / name)
    sequences = json.loads((whole / "sequences.json").read_text())["sequences"]
    (small / "sequences.json").write_text(json.dumps({"sequences": [sequences[i] for i in KEPT]}, indent=1) + "\n")

    expected = load_file(whole / "expected.safetensors")
    ids = np.stack([expected["plain.input_ids"][KEPT], expected["masked.input_ids"][KEPT]])
    longest = int((ids != 1).sum(-1).max())
    weights = load_file(whole / "model.safetensors")
    vocabulary = len(weights["lm_head.bias"])
    rows = np.union1d(ids, [0, 1, 2, 3, vocabulary - 1])
    kept = {}
    for name, array in expected.items():
        if name.endswith("logits"):
            kept[name] = array[KEPT][..., rows]
        elif "attention" in name:
            kept[name] = array[KEPT, :longest, :longest]
        else:
            kept[name] = array if array.ndim == 1 else array[KEPT, :longest]
    for name in BY_ROW:
        weights[name] = weights[name][rows]
    save_file({k: np.ascontiguousarray(v) for k, v in kept.items()}, small / "expected.safetensors")
    save_file({**weights, "rows": rows}, small / "thin.safetensors")


if __name__ == "__main__":
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        if (folder / "expected.safetensors").exists():
            thin(folder, HERE / folder.name)
