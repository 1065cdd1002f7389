"""Check folders in a process of its own: `python -m unicomp.admission.worker`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unicomp.admission.tokenizer import check_tokenizer
from unicomp.admission.weights import changed_settings, check_weights, is_identical
from unicomp.data.json_object import shown
from unicomp.data.model_folder import check_folder
from unicomp.errors import SpecError, first_line
from unicomp.machine.child_process import Narrate, serve


def check_all(request: Mapping[str, Any], narrate: Narrate) -> list[dict[str, Any]]:
    """The outcome for each of `folders`, in order: its `notes`, or why it is `refused`.

    An entry of `folders` has `folder`, `trust_remote_code`, and `baseline`: the folder of the model
    that it is compared with, or None. With `serves` a server will load the folders.
    """
    serves, outcomes = bool(request["serves"]), []
    for one in request["folders"]:
        folder, baseline = Path(one["folder"]), one["baseline"]
        compared = Path(baseline) if baseline else None
        trust = bool(one["trust_remote_code"])
        outcomes.append(
            outcome(folder, compared, trust_remote_code=trust, serves=serves, narrate=narrate)
        )
    return outcomes


def outcome(
    folder: Path,
    baseline: Path | None = None,
    *,
    trust_remote_code: bool = False,
    serves: bool = False,
    narrate: Narrate = lambda text: None,
) -> dict[str, Any]:
    """The `notes` on one folder, or why it is `refused` in one line, whatever the folder holds."""
    try:
        check_folder(folder)
        notes = check_weights(
            folder, trust_remote_code=trust_remote_code, serves=serves, narrate=narrate
        )
        narrate(f"checking the tokenizer of {folder.name}")
        notes += check_tokenizer(folder, baseline, trust_remote_code=trust_remote_code)
        if baseline is not None and (
            changed := changed_settings(folder, baseline, trust_remote_code=trust_remote_code)
        ):
            notes.append(f"its config.json differs from the baseline's: {', '.join(changed)}")
        # of a baseline that a server answers for, there may be no weights
        weighed = baseline is not None and any(baseline.glob("*.safetensors"))
        if baseline is not None and weighed and is_identical(folder, baseline):
            notes.append("its tensors are identical to the baseline's: nothing was compressed")
    except SpecError as error:
        return {"refused": str(error)}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of the tokenizers library is no Exception
        return {
            "refused": f"{folder} cannot be read ({type(error).__name__}: "
            f"{shown(first_line(error))}): save it again with save_pretrained"
        }
    return {"notes": notes}


if __name__ == "__main__":
    serve(check_all)
