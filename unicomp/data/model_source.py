"""Where the files of a model are: in its folder, or fetched from the hub."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from unicomp.data.model_folder import check_folder, kind_of, read_config
from unicomp.errors import SpecError
from unicomp.spec import Model, ModelKind
from unicomp.store import Store

_CONFIGS = ("config.json", "adapter_config.json", "*quant*_config.json")
_BESIDE = ("*.json", "*.jinja", "*.model", "*.txt", "*.py")
"""The small files of a model: configuration, tokenizer and code."""
_FILES = ("*.safetensors", *_BESIDE)
_NOT_FETCHED = ("*/*", "consolidated*")


def locate(model: Model, *, config_only: bool = False) -> Path:
    """The local folder of a model, fetched from the hub if the model is not a folder.

    With `config_only` only its `config.json` is sure to be there; of a model at an endpoint there
    are no weights. Raises SpecError if the hub does not deliver it.
    """
    if model.folder is not None:
        return model.folder
    if model.endpoint is not None:
        return _fetch_tokenizer(model.source, model.revision)
    if config_only:
        return fetch(model.source, model.revision, config_only=True)
    return _fetch_model(model.source, model.revision)


def weights_identity(model: Model, store: Store) -> dict[str, str]:
    """The identity of a model's files: the commit on the hub, or the digest of each file.

    The weights of a model at an endpoint are not read.
    """
    folder = locate(model)
    if model.folder is None:
        return {"hub": model.source, "commit": folder.name}
    patterns = _FILES if model.endpoint is None else _BESIDE
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {path.name: store.digest_of(path) for path in sorted(files)}


def known_kind(model: Model) -> ModelKind:
    """The kind of a model; that of one on the hub follows from its configuration, once fetched."""
    if model.kind != "normal" or model.folder is not None:
        return model.kind
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(model.source, "config.json", revision=model.revision)
    return kind_of(read_config(Path(config).parent)) if isinstance(config, str) else model.kind


@cache
def _fetch_model(hub_id: str, revision: str | None) -> Path:
    folder = fetch(hub_id, revision)
    check_folder(folder)
    return folder


@cache
def _fetch_tokenizer(hub_id: str, revision: str | None) -> Path:
    folder = fetch(hub_id, revision, weights=False)
    check_folder(folder, weights=False)
    return folder


@cache
def fetch(
    hub_id: str, revision: str | None, *, config_only: bool = False, weights: bool = True
) -> Path:
    """The files of a model or adapter on the hub, unchecked; see `locate`. Raises SpecError."""
    wanted = _CONFIGS if config_only else _FILES if weights else _BESIDE
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        return Path(
            snapshot_download(
                hub_id,
                revision=revision,
                allow_patterns=list(wanted),
                ignore_patterns=list(_NOT_FETCHED),
            )
        )
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        raise SpecError(
            f"the model {hub_id}{f'@{revision}' if revision else ''} cannot be fetched from the "
            f"hub ({type(error).__name__}: {line}): give a local folder instead"
        ) from error
