"""Where the files of a model are: in its folder, or fetched from the hub."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from unicomp.errors import SpecError
from unicomp.spec import Model
from unicomp.store import Store

_CONFIGS = ("config.json", "adapter_config.json")
_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.py")
_NOT_FETCHED = ("*/*", "consolidated*")


def locate(model: Model, *, config_only: bool = False) -> Path:
    """Where a model is as it was given: its folder or file, or what was fetched from the hub.

    It is not checked. With `config_only` only its configuration is sure to be there. Raises
    SpecError if the hub does not deliver it.
    """
    if model.folder is not None:
        return model.folder
    return _fetch(model.source, model.revision, config_only)


def weights_identity(model: Model, folder: Path, store: Store) -> dict[str, str]:
    """The identity of the files of a model in `folder`.

    It is the commit on the hub if they are a snapshot of it, else the digest of each file.
    """
    if model.folder is None and folder == locate(model):
        return {"hub": model.source, "commit": folder.name}
    files = {path for pattern in _FILES for path in folder.glob(pattern) if path.is_file()}
    return {path.name: store.digest_of(path) for path in sorted(files)}


@cache
def _fetch(hub_id: str, revision: str | None, config_only: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        return Path(
            snapshot_download(
                hub_id,
                revision=revision,
                allow_patterns=list(_CONFIGS if config_only else _FILES),
                ignore_patterns=list(_NOT_FETCHED),
            )
        )
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        raise SpecError(
            f"the model {hub_id}{f'@{revision}' if revision else ''} cannot be fetched from the "
            f"hub ({type(error).__name__}: {line}): give a local folder instead"
        ) from error
