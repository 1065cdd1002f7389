"""The Hugging Face engine: a checkpoint in this process, behind lm-eval's model API."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from unicomp.engines import TIMED_ATTENTION, Device, EngineSettings, Timing
from unicomp.engines.lm_requests import answer_in_groups, ask
from unicomp.engines.tokenizer import CheckpointTokenizer, load_tokenizer
from unicomp.errors import EngineError, NotFiniteError, first_line
from unicomp.methods.unpacking import unpack_exactly
from unicomp.prompts.items import WINDOWS
from unicomp.prompts.tasks import SAMPLING_SEED
from unicomp.spec import Model

if TYPE_CHECKING:
    import numpy as np
    from lm_eval.api.instance import Instance
    from numpy.typing import NDArray


ATTENTION: dict[Device, str] = {"cpu": "eager", "cuda": "sdpa", "mps": "sdpa"}
"""Implementations of attention. On CPU the eager one generates a quarter faster, measured with
torch 2.13 on small models in batches of 64."""

MOST_LOGITS = 2**29
"""Logits that one forward pass may hold: 2 GiB in float32."""
MOST_ATTENTION_SCORES = 2**26
"""Attention scores that one layer may hold in the eager implementation: 256 MiB in float32. With
more, most of the time goes into fetching memory."""
LEAST = -1e4
"""The least log-probability that is kept, in nats; 16 bits hold it."""


class HuggingFaceEngine:
    """A context manager that holds one checkpoint in memory and answers requests."""

    def __init__(self, folder: Path, model: Model, settings: EngineSettings) -> None:
        self._folder = folder
        self._model = model
        self._settings = settings
        self._lm: Any = None
        self._tokenizer: CheckpointTokenizer | None = None
        self._eager = False

    def __enter__(self) -> Self:
        import torch
        from transformers import AutoModelForCausalLM, GenerationConfig
        from transformers.utils import logging as transformers_logging

        from unicomp.engines.local_lm import LocalLM

        transformers_logging.disable_progress_bar()
        torch.set_num_threads(self._settings.threads)
        device = self._settings.resolved_device()
        if device == "cuda" and not torch.cuda.is_available():
            raise EngineError(
                "there is a GPU, but this torch cannot use it: install a CUDA build, or set "
                'device = "cpu" under [engine] in unicomp.toml'
            )
        self._tokenizer = load_tokenizer(self._folder, self._model)
        placement = self._settings.placement
        spread = placement.device_map if placement is not None else {}
        try:
            network = AutoModelForCausalLM.from_pretrained(
                self._folder,
                dtype=self._settings.dtype(self._model),
                trust_remote_code=self._model.trust_remote_code,
                use_safetensors=True,
                attn_implementation=ATTENTION[device],
                generation_config=GenerationConfig(),  # decoding is ours, not the folder's
                **spread,
            )
            if spread:
                check_spread(network)
            else:
                network = network.to(device)
            unpack_exactly(network)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise EngineError(
                f"the checkpoint {self._folder} cannot be loaded: {first_line(error)}"
            ) from None
        self._lm = LocalLM(network, self._tokenizer, self._settings.batch_size)
        self._eager = ATTENTION[device] == "eager"
        return self

    def __exit__(self, *raised: object) -> None:
        import torch

        self._lm = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def alive(self) -> bool:
        """Always true: the engine ends with this process only."""
        return True

    @property
    def weights_bytes(self) -> int | None:
        """Not known: the first use of weights may unpack them."""
        return None

    def answer(self, requests: Sequence[Instance]) -> list[Any]:
        """One response for each request, in order; sampled ones do not depend on earlier calls."""
        import torch

        torch.manual_seed(SAMPLING_SEED)
        return answer_in_groups(
            requests,
            lambda request: (request.request_type, self._batch_size(request)),
            self._answer_batches,
        )

    def watch(self, on_progress: Callable[[float], None]) -> None:
        """Call `on_progress` with the requests that were answered from now on, again and again.

        A batch that generates counts in part, as if every answer took all of its tokens.
        """
        self._lm.watch(on_progress)

    def log_probabilities(self, chunks: Sequence[Sequence[int]], most: int) -> NDArray[np.float16]:
        """The log-probabilities of all next tokens; see `Engine.log_probabilities`."""
        import numpy as np
        import torch

        network, found = self._lm.model, []
        try:
            with torch.inference_mode():
                for chunk in chunks:  # one at a time, since a large vocabulary needs much memory
                    logits = network(torch.tensor([list(chunk)], device=network.device)).logits[0]
                    places = places_in(len(chunk), most // (len(chunks) * logits.shape[-1]))
                    kept = torch.log_softmax(logits[places].float(), dim=-1)
                    if bool(kept.isnan().any()):
                        raise NotFiniteError
                    # -inf would make a divergence of nothing from nothing
                    found.append(kept.clamp(min=LEAST).half().cpu().numpy())
        except (RuntimeError, AssertionError, IndexError, ValueError, MemoryError) as error:
            raise EngineError(
                f"{self._model.name} in {self._folder} did not read {len(chunks)} chunks of text: "
                f"{first_line(error)}"
            ) from None
        return np.stack(found)

    def generate(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Timing:
        """Answer prompts of equally many token ids as one batch, and measure the time.

        A batch moves in step: its requests have equal times, and each gap between two tokens is
        reported once. Raises EngineError.
        """
        import torch

        assert self._tokenizer is not None
        lengths = {len(prompt) for prompt in prompts}
        if len(lengths) != 1:
            raise EngineError("the prompts of a batch that is timed must be equally long")
        if (length := lengths.pop() + new_tokens) > self._tokenizer.context:
            raise EngineError(
                f"{self._model.name} in {self._folder} has room for {self._tokenizer.context} "
                f"tokens, and {length} are asked for"
            )
        network = self._lm.model
        clock = _TokenClock()
        try:
            with _timed_attention(network):
                batch = torch.tensor([list(prompt) for prompt in prompts], device=network.device)
                if network.device.type != "cpu":  # earlier work in the queue must not be timed
                    torch.accelerator.synchronize()
                start = time.perf_counter()
                network.generate(
                    batch,
                    attention_mask=torch.ones_like(batch),
                    do_sample=False,
                    min_new_tokens=new_tokens,  # ignore an end that the model would set
                    max_new_tokens=new_tokens,
                    pad_token_id=0,
                    streamer=clock,
                )
        except (RuntimeError, AssertionError, IndexError, ValueError, MemoryError) as error:
            raise EngineError(
                f"{self._model.name} in {self._folder} did not answer {len(prompts)} timed "
                f"requests of {length} tokens: {first_line(error)}"
            ) from None
        moments = clock.moments
        return Timing(
            seconds=moments[-1] - start,
            first=(moments[0] - start,) * len(prompts),
            gaps=tuple(after - before for before, after in pairwise(moments)),
        )

    def _answer_batches(self, group: tuple[str, int], requests: list[Instance]) -> list[Any]:
        """The responses to requests of one type, in batches of one size."""
        request_type, self._lm.batch_size_per_gpu = group
        try:
            return ask(self._lm, request_type, requests)
        except (RuntimeError, AssertionError, IndexError, ValueError) as error:
            raise EngineError(
                f"{self._model.name} in {self._folder} did not answer: {first_line(error)}"
            ) from None

    def _batch_size(self, request: Instance) -> int:
        """Sequences in one forward pass: as set, or the power of two that fits the memory."""
        config = self._lm.model.config.get_text_config()
        for length in self._lengths(request):
            room = self._settings.batch_size
            if request.request_type != "generate_until":  # which needs the last logits only
                room = min(room, MOST_LOGITS // (length * config.vocab_size))
            if self._eager:
                room = min(room, MOST_ATTENTION_SCORES // (config.num_attention_heads * length**2))
            if room >= self._settings.batch_size:
                return self._settings.batch_size
        return 1 << max(room.bit_length() - 1, 0)

    def _lengths(self, request: Instance) -> Iterator[int]:
        """The tokens of a request: first an upper bound, which costs nothing, then exactly."""
        assert self._tokenizer is not None
        if request.request_type == WINDOWS:
            yield len(request.arguments[0])
            return
        text = "".join(part for part in request.arguments if isinstance(part, str))
        yield min(len(text.encode()) + 8, self._tokenizer.context)
        yield min(len(self._tokenizer.encode(text)), self._tokenizer.context)


def check_spread(network: Any) -> None:
    """Raise ValueError if layers of a network were left outside of its GPUs for want of memory."""
    outside = {str(place) for place in network.hf_device_map.values() if not _is_gpu(place)}
    if outside:
        raise ValueError(
            f"it does not fit on its GPUs: layers were put on the {' and the '.join(outside)}"
        )


def _is_gpu(place: Any) -> bool:
    return isinstance(place, int) or str(place).startswith("cuda")


def places_in(length: int, room: int) -> list[int]:
    """Evenly spaced places in the second half of a chunk: as many as there is room for, or one."""
    half = range(length // 2, length)
    step = -(-len(half) // max(room, 1))
    return list(half[::step])


@contextmanager
def _timed_attention(network: Any) -> Iterator[None]:
    """Let the network use `TIMED_ATTENTION`, if it has that; then its own again."""
    own = network.config._attn_implementation
    changes = own != TIMED_ATTENTION and getattr(network, "_supports_sdpa", False)
    if changes:
        network.set_attn_implementation(TIMED_ATTENTION)
    try:
        yield
    finally:
        if changes:
            network.set_attn_implementation(own)


class _TokenClock:
    """A streamer of transformers that notes when each token of a batch arrives on the host.

    On an accelerator a token arrives once it has been computed.
    """

    def __init__(self) -> None:
        self.moments: list[float] = []
        self._prompted = False

    def put(self, tokens: Any) -> None:
        """Called once with the prompts, then with one token of each sequence."""
        if self._prompted:
            self.moments.append(time.perf_counter())
        self._prompted = True

    def end(self) -> None:
        """Called at the end of generation."""
