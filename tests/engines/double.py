"""Acts as the executable `vllm`, so that tests need none.

`vllm serve FOLDER ...` answers by transformers, and `vllm bench throughput|latency` makes its
figures up. It takes only the options that we pass, answers only the paths that we use, and computes
in this process, one request at a time. `DOUBLE` chooses how it misbehaves:

    fails       it ends while it starts, with the last lines of a real log
    hangs       it starts and never answers
    stubborn    it ignores SIGTERM
    dies=N      it ends silently in the middle of completion N
    short       it generates one token too few
    taken       its first start finds the port taken, and writes the file DOUBLE_RECORD.taken
    garbled     a benchmark writes no valid figures
    mute        a benchmark writes nothing, and ends with status 0

`DOUBLE_VERSION` is its version; one without `cpu` is that of a build for GPUs. It uses none.
`DOUBLE_TOY` replaces the model where answers do not matter.
`DOUBLE_RECORD` names a file that gets one JSON line for each start and each request.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE, _, NUMBER = os.environ.get("DOUBLE", "").partition("=")
FAILURE = """\
(EngineCore pid=7) INFO 11-22 19:05:22 [core.py:133] Initializing a V1 LLM engine (v0.32.0)
(EngineCore pid=7) ERROR 11-22 19:05:22 [core.py:1499] EngineCore failed to start.
(EngineCore pid=7) ERROR 11-22 19:05:22 [core.py:1499] Traceback (most recent call last):
(EngineCore pid=7) ERROR 11-22 19:05:22 [core.py:1499]     raise ValueError(
(EngineCore pid=7) ERROR 11-22 19:05:22 [core.py:1499] ValueError: the weights do not fit the memory
(APIServer pid=3) Traceback (most recent call last):
(APIServer pid=3) RuntimeError: Engine core initialization failed. See root cause above.
"""

SEEN = ("OMP_", "VLLM_", "HF_", "CUDA_")
"""How the environment variables begin that are recorded."""


def record(**entry):
    if path := os.environ.get("DOUBLE_RECORD"):
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")


def recorded():
    """The entries until now."""
    path = os.environ.get("DOUBLE_RECORD", "")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def running(pid):
    """Whether a process exists, zombies included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def options():
    parser = argparse.ArgumentParser(prog="vllm", allow_abbrev=False)
    parser.add_argument(
        "--version", action="version", version=os.environ.get("DOUBLE_VERSION", "0.0.0+cpu")
    )
    programs = parser.add_subparsers(required=True)
    serve = programs.add_parser("serve", allow_abbrev=False)
    serve.set_defaults(act=serve_completions)
    serve.add_argument("model")
    serve.add_argument("--host", required=True)
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--served-model-name", required=True)
    serve.add_argument("--tokenizer")
    serve.add_argument("--data-parallel-size", type=int)
    serve.add_argument("--disable-uvicorn-access-log", action="store_true")
    benches = programs.add_parser("bench", allow_abbrev=False).add_subparsers(required=True)
    throughput = benches.add_parser("throughput", allow_abbrev=False)
    throughput.set_defaults(act=bench_throughput)
    throughput.add_argument("--dataset-name", choices=["random"], required=True)
    latency = benches.add_parser("latency", allow_abbrev=False)
    latency.set_defaults(act=bench_latency)
    numbers = {
        throughput: (
            *("--random-input-len", "--random-output-len"),
            *("--num-prompts", "--num-warmups", "--max-num-seqs"),
        ),
        latency: (
            "--input-len",
            "--output-len",
            "--batch-size",
            "--num-iters-warmup",
            "--num-iters",
        ),
    }
    for bench, names in numbers.items():
        bench.add_argument("--model", required=True)
        bench.add_argument("--output-json", required=True)
        for name in (*names, "--seed"):
            bench.add_argument(name, type=int, required=True)
    for program in (serve, throughput, latency):
        program.add_argument("--dtype", required=True)
        program.add_argument("--max-model-len", type=int, required=True)
        program.add_argument("--kv-cache-memory-bytes", type=int)
        program.add_argument("--gpu-memory-utilization", type=float)
        program.add_argument("--tensor-parallel-size", type=int)
        program.add_argument("--trust-remote-code", action="store_true")
        program.add_argument("--generation-config", choices=["vllm"], required=True)
        for flag in ("--enforce-eager", "--no-enable-prefix-caching"):
            program.add_argument(flag, action="store_true")
    return parser.parse_args()


def write_figures(given, figures):
    if MODE == "garbled":
        figures = {"elapsed": "long"}
    if MODE != "mute":
        with open(given.output_json, "w", encoding="utf-8") as stream:
            json.dump(figures, stream)


def bench_throughput(given):
    """A thousand tokens a second."""
    length = given.random_input_len + given.random_output_len
    assert length <= given.max_model_len
    tokens = given.num_prompts * length
    seconds = tokens / 1000
    figures = {"model_id": given.model, "elapsed_time": seconds, "num_requests": given.num_prompts}
    figures |= {"total_num_tokens": tokens, "tokens_per_second": 1000.0}
    write_figures(given, {**figures, "requests_per_second": given.num_prompts / seconds})


def bench_latency(given):
    """A millisecond for each token, more or less."""
    with open(os.path.join(given.model, "config.json"), encoding="utf-8") as stream:
        if json.load(stream)["vocab_size"] < 10_000:
            sys.exit("ValueError: Token id 9999 is out of vocabulary")
    assert given.input_len + given.output_len <= given.max_model_len
    seconds = (given.input_len + given.output_len) / 1000
    latencies = [seconds * (1 + 0.01 * (place % 3)) for place in range(given.num_iters)]
    average = sum(latencies) / len(latencies)
    figures = {"model_id": given.model, "avg_latency": average, "latencies": latencies}
    write_figures(given, {**figures, "percentiles": {"50": seconds}})


class Toy:
    """Knows one word, and is never surprised."""

    def log_likelihoods(self, tokens):
        return [{f"token_id:{token}": -1.0} for token in tokens[1:]], 5

    def generate(self, request, prompt):
        yield from [5] * request["max_tokens"]


class Network:
    """The checkpoint, always in float32."""

    def __init__(self, folder):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(1)
        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, dtype="float32", attn_implementation="eager"
        )

    def log_likelihoods(self, tokens):
        """For each token but the first: its own, and that of the likeliest token in its place."""
        with self.torch.no_grad():
            logits = self.model(self.torch.tensor([tokens])).logits[0]
        rows = logits.float().log_softmax(-1)
        best = rows.max(-1)
        return [
            {
                f"token_id:{token}": float(rows[place, token]),
                f"token_id:{int(best.indices[place])}": float(best.values[place]),
            }
            for place, token in enumerate(tokens[1:])
        ], int(best.indices[-1])

    def generate(self, request, prompt):
        """One greedy token after another."""
        fed, cache, count = self.torch.tensor([prompt]), None, 0
        texts = []
        while count < request["max_tokens"]:
            with self.torch.no_grad():
                out = self.model(fed, past_key_values=cache, use_cache=True)
            cache, token = out.past_key_values, int(out.logits[0, -1].argmax())
            count += 1
            fed = self.torch.tensor([[token]])
            texts.append(token)
            yield token
            if request.get("ignore_eos"):
                continue
            text = self.tokenizer.decode(
                texts, skip_special_tokens=request.get("skip_special_tokens", True)
            )
            stopped = any(stop in text for stop in request.get("stop", ()))
            if stopped or token in request.get("stop_token_ids", ()):
                return


def serve_completions(given):
    network = cache(lambda: Toy() if "DOUBLE_TOY" in os.environ else Network(given.model))
    lock = threading.Lock()
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *about):
            pass

        def do_GET(self):
            record(path=self.path)
            known = {"/health": {}, "/v1/models": {"data": [{"id": given.served_model_name}]}}
            self.reply(known.get(self.path), 200 if self.path in known else 404)

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            request = json.loads(content)
            record(path=self.path, **request)
            if self.path != "/v1/completions" or request["model"] != given.served_model_name:
                self.refuse(404, f"there is no {self.path} of {request.get('model')}")
                return
            with lock:
                asked.append(request)
                if MODE == "dies" and len(asked) == int(NUMBER):
                    print(
                        "(EngineCore pid=7) ERROR 11-22 19:05:22 [multiproc_executor.py:315] "
                        "Worker proc VllmWorker-0 died unexpectedly (exit code: -4)",
                        flush=True,
                    )
                    os._exit(3)
                self.answer(request)

        def answer(self, request):
            (prompt,) = (
                request["prompt"] if isinstance(request["prompt"][0], list) else [request["prompt"]]
            )
            if len(prompt) + 1 > given.max_model_len:
                self.refuse(400, f"The decoder prompt (length {len(prompt)}) is too long")
            elif max(prompt) > 1023:
                self.refuse(400, f"Token id {max(prompt)} is out of vocabulary")
            elif request.get("echo"):
                rows, following = network().log_likelihoods(prompt)
                rows += [{f"token_id:{following}": -0.1}]
                following_tokens = [*prompt[1:], following]
                values = [
                    row[f"token_id:{token}"]
                    for row, token in zip(rows, following_tokens, strict=True)
                ]
                logprobs = {
                    "tokens": [f"token_id:{token}" for token in [*prompt, following]],
                    "token_logprobs": [None, *values],
                    "top_logprobs": [None, *rows],
                }
                self.reply({"choices": [{"index": 0, "text": "", "logprobs": logprobs}]})
            elif request.get("stream"):
                self.stream(request, prompt)
            else:
                ids = list(network().generate(request, prompt))
                choice = {"index": 0, "text": "", "token_ids": ids, "prompt_token_ids": prompt}
                self.reply({"choices": [choice]})

        def stream(self, request, prompt):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            if MODE == "short":
                request["max_tokens"] -= 1
            count = 0
            for token in network().generate(request, prompt):
                count += 1
                self.event({"choices": [{"index": 0, "text": "", "token_ids": [token]}]})
            self.event({"choices": [], "usage": {"completion_tokens": count}})
            self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True

        def event(self, event):
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            self.wfile.flush()

        def refuse(self, status, message):
            self.reply({"error": {"message": message}}, status)

        def reply(self, value, status=200):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Listening(ThreadingHTTPServer):
        request_queue_size = 512

    try:
        server = Listening((given.host, given.port), Handler)
    except OSError as error:
        sys.exit(f"OSError: [Errno {error.errno}] {error.strerror}")
    print("Application startup complete.", flush=True)
    server.serve_forever()


def main():
    given = options()
    started = [pid for entry in recorded() for pid in entry.get("start", ())]
    # as vLLM has its EngineCore: a child that does not end by itself
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN if MODE == "stubborn" else lambda *_: sys.exit(0))
    record(
        start=[os.getpid(), child.pid],
        options={name: value for name, value in vars(given).items() if name != "act"},
        act=given.act.__name__,
        others=[pid for pid in started if running(pid)],
        python=[n for n in os.environ if n in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")],
        environment={n: v for n, v in os.environ.items() if n.startswith(SEEN)},
    )
    if MODE == "fails":
        sys.exit(FAILURE)
    if MODE == "hangs":
        time.sleep(600)
    taken = os.environ.get("DOUBLE_RECORD", "") + ".taken"
    if MODE == "taken" and not os.path.exists(taken):
        open(taken, "w").close()
        sys.exit("OSError: [Errno 98] Address already in use")
    given.act(given)


main()
