import re

import pytest

from hexamer import errors

TREE = [  # the tree, as depth and name; errors.py draws the same in its docstring
    (0, "HexamerError"),
    (1, "InputError"),
    (2, "GenomeError"),
    (2, "IntervalError"),
    (2, "AnnotationError"),
    (2, "VariantError"),
    (2, "SequenceError"),
    (2, "SettingsError"),
    (1, "CheckpointError"),
    (1, "OutputError"),
]
CLASSES = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


def test_the_tree_is_the_one_that_is_drawn():
    drawn = [
        (len(branches) // 4, name)
        for branches, name in re.findall(r"^    ([│├└─ ]*)([A-Z]\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    ]
    assert drawn == TREE
    assert set(CLASSES) == {name for _, name in TREE}


@pytest.mark.parametrize("place", range(1, len(TREE)))
def test_each_error_hangs_where_it_is_drawn(place: int):
    depth, name = TREE[place]
    parent = next(above for level, above in reversed(TREE[:place]) if level == depth - 1)
    assert CLASSES[name].__bases__ == (CLASSES[parent],)


def test_the_root_is_no_builtin_error_that_others_catch():
    assert errors.HexamerError.__bases__ == (Exception,)
    assert all(kind.__doc__ and "\n" not in kind.__doc__ for kind in CLASSES.values())


def test_reason_codes_are_words_with_one_line_each():
    assert list(errors.REASONS) == sorted(errors.REASONS)
    for code, meaning in errors.REASONS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
        assert meaning
        assert "\n" not in meaning
        assert not meaning.endswith(".")
