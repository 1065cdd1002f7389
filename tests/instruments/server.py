"""Real HTTP servers on this machine, healthy or faulty, for the tests of their clients."""

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """The answer of a server to a request."""

    body: object = b""
    status: int = 200
    headers: dict = field(default_factory=dict)
    delay: float = 0.0
    missing: int = 0
    """Bytes of the body that are announced but not sent."""


class Server:
    """Answers POST requests as `behave(request, number)` says, counted from 1."""

    def __init__(self, behave):
        self.behave = behave
        self.requests = []
        self.headers = []
        self.lock = threading.Lock()
        self.port = 0
        self.dead = True
        self.start()

    def start(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if server.dead:
                    self.close_connection = True
                    return
                request = {"path": self.path, **json.loads(content)}
                with server.lock:
                    server.requests.append(request)
                    server.headers.append(dict(self.headers))
                    number = len(server.requests)
                reply = server.behave(request, number)
                time.sleep(reply.delay)
                if server.dead:
                    self.close_connection = True
                    return
                body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body)
                body = body if isinstance(body, bytes) else body.encode()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) + reply.missing))
                self.end_headers()
                self.wfile.write(body)
                if reply.missing:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # a client that went away

        self.server = Quiet(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        self.dead = False
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        """Close the port, and every connection at its next request."""
        self.dead = True
        self.server.shutdown()
        self.server.server_close()

    def die(self, seconds):
        """Stop, and come back at the same port."""

        def away():
            self.stop()
            time.sleep(seconds)
            self.start()

        threading.Thread(target=away, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"


def chat(content, **more):
    """A chat completion."""
    message = {"role": "assistant", "content": content}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **more}


def truth(request):
    """The verdict of every honest server: the data alone decides it."""
    system, user = request["messages"]
    data = json.loads(user["content"])
    choices = json.loads(system["content"].rpartition("The choices: ")[2])
    digest = hashlib.sha256(json.dumps(data).encode()).digest()
    return choices[digest[0] % len(choices)]


def verdict(choice):
    return Reply(chat(json.dumps({"verdict": choice})))


def healthy(request, number):
    return verdict(truth(request))
