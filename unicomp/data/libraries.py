"""The libraries that read and load models, imported together."""


def warm_up() -> None:
    """Import what loading a model needs, so that it is done once for several processes."""
    import compressed_tensors  # noqa: F401
    import safetensors.torch  # noqa: F401
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer  # noqa: F401
