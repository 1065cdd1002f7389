"""What may not be measured is refused before anything is measured, with exit status 4."""

import shutil

from safetensors.torch import load_file, save_file

from tests.families import EMBEDDED
from unicomp.store import RESPONSES

FEW = ("-m", "knowledge", "--samples=5")
LOST = "model.layers.5.mlp.down_proj.weight"


def test_a_checkpoint_that_lacks_a_weight_is_refused_by_the_controller(new_gate, tmp_path):
    folder = shutil.copytree(EMBEDDED, tmp_path / "lossy")
    weights = load_file(folder / "model.safetensors")
    del weights[LOST]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    run = new_gate(tmp_path / "home").run(*FEW, "-n1", f"--checkpoint={folder}")
    assert run.status == 4, run.text
    (line,) = [line for line in run.lines if line.startswith("ERROR: ")]
    assert f"{folder} lacks {LOST}" in line
    assert not list((tmp_path / "home" / RESPONSES).glob("*"))


def test_notes_are_printed_before_the_run_and_stand_in_the_scorecard(gate, tmp_path):
    folder = shutil.copytree(EMBEDDED, tmp_path / "copied")
    shutil.copyfile(folder / "model.safetensors", folder / "consolidated.safetensors")
    run = gate.run(*FEW, f"--checkpoint={folder}")
    notes = [
        "copied: has other weights, which are not read: consolidated.safetensors",
        "copied: its tensors are identical to the baseline's: nothing was compressed",
    ]
    assert run.card["environment"]["notes"] == notes
    for note in notes:
        assert run.text.index(note) < run.text.index("UniComp scorecard")


def test_collecting_checks_no_weights(new_gate, tmp_path):
    run = new_gate(tmp_path / "home").run_plain(*FEW, "--collect-only", "-q")
    assert run.status == 0, run.text
    assert not (tmp_path / "home/admissions").exists()
