"""Read a model into the store in a process of its own: `python -m unicomp.formats.worker`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unicomp.data.model_folder import check_folder
from unicomp.errors import UnicompError
from unicomp.formats.adapter import merge
from unicomp.formats.gguf_reading import read_gguf
from unicomp.formats.repacking import repack
from unicomp.machine.child_process import Narrate, serve


def read_in(request: Mapping[str, Any], narrate: Narrate) -> dict[str, Any]:
    """Write the model of a request to the folder `target`, and return what it was made from.

    The request holds the `form` of the model, its `files`, the folder `beside` them, and the `base`
    folder or None. Raises SpecError.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    Path(request["target"]).mkdir(parents=True)
    readers = {"gguf": read_gguf, "adapter": merge, "packed": repack}
    if request["form"] not in readers:
        raise UnicompError(f"there is no reader of {request['form']}")
    facts = readers[request["form"]](request, narrate)
    check_folder(Path(request["target"]))
    return {"form": request["form"], **facts}


if __name__ == "__main__":
    serve(read_in)
