"""`doctor`."""


def test_doctor_says_what_runs_and_why(run, model_folder, monkeypatch):
    monkeypatch.setenv("HEXAMER_NATIVE", "0")
    code, out, err = run("doctor", "--model", model_folder, "--device", "cpu")
    assert code == 0, err
    said = [line.split(maxsplit=1) for line in out.splitlines()]
    assert [part for part, _ in said[-8::2]] == ["attention", "SwiGLU", "LayerNorm", "linear"]
    assert ["SwiGLU", "bf16: torch (HEXAMER_NATIVE=0)"] in said
