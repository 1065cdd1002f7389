"""A completions server that computes with a model, or misbehaves as a test says."""

import json
import threading
import time
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Toy:
    """Chooses each token by the two before it, and is sure of it; `salt` makes it another model."""

    def __init__(self, folder, salt=1):
        self.folder = folder
        self.salt = salt

    @cached_property
    def tokenizer(self):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder)

    def tokens(self, prompt):
        if isinstance(prompt, str):
            return self.tokenizer.encode(prompt)
        return list(prompt[0] if isinstance(prompt[0], list) else prompt)

    def follows(self, tokens):
        """The likeliest next token."""
        return (
            100 + sum(token * (place + self.salt) for place, token in enumerate(tokens[-2:])) % 900
        )

    def likelihoods(self, tokens):
        """For each token but the first its log-probability, and the likeliest with its own."""
        best = [self.follows(tokens[:place]) for place in range(1, len(tokens))]
        values = [
            -0.1 if one == token else -3.0 for one, token in zip(best, tokens[1:], strict=True)
        ]
        return values, [(one, -0.1) for one in best]

    def generate(self, request, tokens):
        """One greedy token after another, up to a stop word or an end token."""
        made = []
        while len(made) < request["max_tokens"]:
            made.append(self.follows([*tokens, *made]))
        return made


class Network(Toy):
    """A model by transformers in float32, one sequence at a time."""

    def __init__(self, folder):
        super().__init__(folder)
        self.lock = threading.Lock()

    @cached_property
    def model(self):
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(1)
        return AutoModelForCausalLM.from_pretrained(
            self.folder, dtype="float32", attn_implementation="eager"
        )

    def follows(self, tokens):
        return self.generate({"max_tokens": 1}, tokens)[0]

    def likelihoods(self, tokens):
        import torch

        with self.lock, torch.no_grad():
            rows = self.model(torch.tensor([tokens])).logits[0].float().log_softmax(-1)[:-1]
        best = rows.max(-1)
        values = [float(rows[place, token]) for place, token in enumerate(tokens[1:])]
        return values, list(zip(best.indices.tolist(), best.values.tolist(), strict=True))

    def generate(self, request, tokens):
        import torch

        ends = {self.tokenizer.eos_token_id, *request.get("stop_token_ids", ())}
        fed, cache, made = torch.tensor([tokens]), None, []
        with self.lock, torch.no_grad():
            while len(made) < request["max_tokens"]:
                out = self.model(fed, past_key_values=cache, use_cache=True)
                cache, token = out.past_key_values, int(out.logits[0, -1].argmax())
                made.append(token)
                text = self.tokenizer.decode(made, skip_special_tokens=True)
                if token in ends or any(stop in text for stop in request.get("stop") or ()):
                    break
                fed = torch.tensor([[token]])
        return made


class Completions:
    """A server of one model, at a port of its own, that keeps to its port when it restarts.

    `takes_tokens`, `likelihoods` and `extended` are what it can; `behave(self, request, number)`
    may return a status with its headers instead of an answer, or "drop" to close the connection.
    """

    def __init__(self, network, name="my-model", **can):
        self.network = network
        self.names = [name]
        self.takes_tokens = can.get("takes_tokens", True)
        self.likelihoods = can.get("likelihoods", "true")
        self.extended = can.get("extended", True)
        self.key = can.get("key")
        self.version = can.get("version", "1.0")
        self.longest = can.get("longest")
        self.behave = can.get("behave", lambda request, number: None)
        self.requests, self.seen = [], []
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                if self.denied():
                    return
                models = [
                    {"id": name} | ({"max_model_len": server.longest} if server.longest else {})
                    for name in server.names
                ]
                known = {"/v1/models": {"data": models}}
                if server.version:
                    known["/version"] = {"version": server.version}
                self.reply(known.get(self.path, {}), 200 if self.path in known else 404)

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.denied():
                    return
                with server.lock:
                    server.requests.append(request)
                    number = len(server.requests)
                what = server.behave(request, number)
                if what == "drop":
                    self.close_connection = True
                elif isinstance(what, tuple):
                    status, headers = what
                    self.reply({"error": {"message": f"scripted {status}"}}, status, headers)
                elif what is not None:
                    self.reply(what)
                else:
                    self.reply(*server.answer(request))

            def denied(self):
                server.seen.append(self.headers.get("Authorization"))
                if server.key and server.seen[-1] != f"Bearer {server.key}":
                    self.reply({"error": {"message": "who are you?"}}, 401)
                    return True
                return False

            def reply(self, value, status=200, headers=()):
                body = json.dumps(value).encode()
                self.send_response(status)
                for name, text in dict(headers).items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def place(self):
        return f"{self.url}#{self.names[0]}"

    def answer(self, request):
        if request["model"] not in self.names:
            return {"error": {"message": f"no model {request['model']}"}}, 404
        ours = {"stop_token_ids", "return_token_ids", "return_tokens_as_token_ids"} & set(request)
        if ours and not self.extended:
            return {"error": {"message": f"unknown fields {sorted(ours)}"}}, 400
        if not self.takes_tokens and not isinstance(request["prompt"], str):
            return {"error": {"message": "prompt must be a string"}}, 400
        if request.get("echo") and self.likelihoods == "refused":
            return {"error": {"message": "echo is not supported"}}, 400
        tokens = self.network.tokens(request["prompt"])
        if self.longest and len(tokens) + request["max_tokens"] > self.longest:
            return {"error": {"message": "too long"}}, 400
        tokenizer = self.network.tokenizer
        if request.get("echo") and self.likelihoods != "ignored":
            return self.echoed(request, tokens), 200
        made = self.network.generate(request, tokens)
        skip = request.get("skip_special_tokens", True)
        choice = {"index": 0, "text": tokenizer.decode(made, skip_special_tokens=skip)}
        if request.get("return_token_ids"):
            choice["token_ids"] = made
        return {"choices": [choice], "usage": {"prompt_tokens": len(tokens)}}, 200

    def echoed(self, request, tokens):
        following = [self.network.follows(tokens)] if request["max_tokens"] else []
        whole = [*tokens, *following]
        values, best = self.network.likelihoods(whole)
        tops = [{f"token_id:{token}": value} for token, value in best]
        if self.likelihoods == "short":
            values, tops = values[2:], tops[2:]
        elif self.likelihoods == "positive":
            values = [abs(value) + 1 for value in values]
        elif self.likelihoods == "constant":
            values = [-5.0 for value in values]
        elif self.likelihoods == "topless":
            tops = []
        logprobs = {
            "tokens": [f"token_id:{token}" for token in whole],
            "token_logprobs": [None, *values],
            "top_logprobs": [None, *tops] if tops else None,
        }
        text = self.network.tokenizer.decode(whole)
        choice = {"index": 0, "text": text, "logprobs": logprobs}
        return {"choices": [choice], "usage": {"prompt_tokens": len(tokens)}}


def waits(seconds):
    """Answers slowly."""

    def behave(request, number):
        time.sleep(seconds)

    return behave
