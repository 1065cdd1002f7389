"""Lengths beyond a model's context are known before anything is built."""


def test_a_run_of_nothing_but_too_long_texts_is_refused(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home")
    chosen = ("--method=w4a16_rtn", "-m", "long_context", "suites/shipping")
    refused = gate.run(*chosen, "-k", "16k or 128k")
    assert refused.status == 4
    assert "ruler_16k, ruler_128k: more tokens than the context of embedded has" in refused.text
    assert "choose shorter ones with -k" in refused.text
    assert not (tmp_path / "home" / "checkpoints").exists()
