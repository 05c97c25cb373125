import json
from dataclasses import replace

import pytest
from tests.expression.conftest import SETTINGS

from hexamer.errors import OutputError, SettingsError
from hexamer.expression.parts import describe_study, open_parts
from hexamer.expression.study import Study


def test_what_parts_depend_on(study):
    expression, cohort = study
    facts = []
    for settings, options in (
        (SETTINGS, {}),
        (replace(SETTINGS, seeds=(1,)), {}),
        (SETTINGS, {"given": {"track": expression}}),
        (SETTINGS, {"given": {"track": expression.take(expression.samples[::-1])}}),
    ):
        with Study(expression, cohort, settings, **options) as made:
            facts.append(json.dumps(describe_study(made)))
    assert len(set(facts)) == 4


def test_a_folder_of_another_study_is_refused(tmp_path):
    parts = open_parts(tmp_path / "s", {"a": 1})
    assert parts.is_dir()
    assert open_parts(tmp_path / "s", {"a": 1}) == parts
    with pytest.raises(SettingsError, match=r"another study \(a differ"):
        open_parts(tmp_path / "s", {"a": 2})
    (tmp_path / "s" / "study.json").write_text("{")
    with pytest.raises(SettingsError, match="another study"):
        open_parts(tmp_path / "s", {"a": 1})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        open_parts(tmp_path / "file" / "s", {"a": 1})
