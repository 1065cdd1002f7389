"""Errors and memory are found in the lines that vLLM 0.32 writes."""

import pytest

from unicomp.engines.serverlog import last_words, weights_bytes

GPU = """\
(EngineCore pid=5202) INFO 11-22 19:05:28 [gpu_model_runner.py:5120] Starting to load model X...
(EngineCore pid=5202) INFO 11-22 19:05:29 [default_loader.py:501] Loading weights took 2.31 seconds
(EngineCore pid=5202) INFO 11-22 19:05:29 [gpu_model_runner.py:5149] Model loading took 14.99 GiB \
memory and 3.121842 seconds
(EngineCore pid=5202) INFO 11-22 19:05:40 [kv_cache_utils.py:2327] GPU KV cache size: 87,296 tokens
"""
CPU = """\
(Worker pid=5222) INFO 11-22 19:05:28 [cpu_model_runner.py:68] Starting to load model X...
(Worker pid=5222) INFO 11-22 19:05:29 [weight_utils.py:1108] Filesystem type for checkpoints: \
EXT4. Checkpoint size: 0.00 GiB. Available RAM: 21.93 GiB.
(Worker pid=5222) INFO 11-22 19:05:29 [default_loader.py:501] Loading weights took 0.02 seconds
(EngineCore pid=5202) INFO 11-22 19:05:29 [kv_cache_utils.py:2327] CPU KV cache size: 87,296 tokens
"""
NO_KERNEL = """\
(Worker pid=5917) ERROR 11-22 19:07:17 [multiproc_executor.py:1063] Traceback (most \
recent call last):
(Worker pid=5917) ERROR 11-22 19:07:17 [multiproc_executor.py:1063]     return op(x)
(Worker pid=5917) ERROR 11-22 19:07:17 [multiproc_executor.py:1063] NotImplementedError: \
"cpu_gemm_wna16" not implemented for 'Float'
(EngineCore pid=5838) ERROR 11-22 19:07:17 [core.py:1512]     raise RuntimeError(
(EngineCore pid=5838) ERROR 11-22 19:07:17 [core.py:1512] RuntimeError: Worker failed with error \
'"cpu_gemm_wna16" not implemented for 'Float'', please check the stack trace above for \
the root cause
(APIServer pid=5803) ERROR 11-22 19:07:17 [async_llm.py:906] vllm.v1.engine.exceptions.\
EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.
INFO:     Shutting down
nanobind: leaked 4 instances!
 - leaked instance 0x7f4186638c28 of type "triton._C.libtriton.ir.attribute"
/usr/lib/python3.11/multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There \
appear to be 1 leaked semaphore objects to clean up at shutdown
"""
ILLEGAL = """\
(EngineCore pid=6208) ERROR 11-22 19:07:57 [multiproc_executor.py:315] Worker proc VllmWorker-0 \
died unexpectedly (exit code: -4), shutting down executor.
(EngineCore pid=6208) ERROR 11-22 19:07:57 [core.py:1512]     raise RuntimeError("cancelled")
(EngineCore pid=6208) ERROR 11-22 19:07:57 [core.py:1512] RuntimeError: cancelled
"""
USAGE = """\
usage: vllm serve [model_tag] [options]
vllm: error: unrecognized arguments: --no-such-flag
"""
NO_ERROR = """\
(APIServer pid=5110) INFO 11-22 19:05:17 [model.py:733] Resolved architecture: LlamaForCausalLM
Killed
"""


def written(folder, text):
    path = folder / "vllm.log"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (NO_KERNEL, "NotImplementedError: \"cpu_gemm_wna16\" not implemented for 'Float'"),
        (
            ILLEGAL,
            "Worker proc VllmWorker-0 died unexpectedly (exit code: -4), shutting down executor.",
        ),
        (USAGE, "vllm: error: unrecognized arguments: --no-such-flag"),
        (NO_ERROR, "Resolved architecture: LlamaForCausalLM | Killed"),
        ("", ""),
    ],
    ids=["no kernel", "illegal instruction", "usage", "no error", "empty"],
)
def test_the_last_words_are_the_cause_in_one_line(tmp_path, text, words):
    assert last_words(written(tmp_path, text)) == words


def test_a_log_that_is_not_there_says_nothing(tmp_path):
    assert last_words(tmp_path / "no.log") == ""
    assert weights_bytes(tmp_path / "no.log") is None


def test_the_memory_of_the_weights_is_read_where_it_is_said(tmp_path):
    assert weights_bytes(written(tmp_path, GPU)) == round(14.99 * 2**30)
    assert weights_bytes(written(tmp_path, CPU)) is None


def test_the_weights_on_several_gpus_are_added(tmp_path):
    assert weights_bytes(written(tmp_path, GPU + GPU)) == round(2 * 14.99 * 2**30)
