"""Every text is UTF-8, whatever the locale of the machine is."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unicomp.store import CHECKPOINTS, Store

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for name in ("unicomp", "suites", "fixtures") for path in (ROOT / name).rglob("*.py")
)
TEXT = {"read_text": 0, "write_text": 1, "fdopen": 2, "open": 2}
"""Calls that read or write a text → the arguments after which the encoding may stand by place."""
PIPES = ("Popen", "run", "check_output")


def reads_by_locale(call):
    """Whether a call reads or writes a text in the encoding of the locale."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in keywords:
        return False
    if name in PIPES:
        return "text" in keywords or "universal_newlines" in keywords
    if name in ("read_text", "write_text"):
        return len(call.args) <= TEXT[name]
    if name == "open" and isinstance(call.func, ast.Name):
        mode = call.args[1] if len(call.args) > 1 else keywords.get("mode")
        return mode is None or "b" not in ast.literal_eval(mode)
    if name in ("open", "fdopen"):  # Path.open; others, such as os.open, take no mode as text
        place = 1 if name == "fdopen" else 0
        mode = call.args[place] if len(call.args) > place else keywords.get("mode")
        text = isinstance(mode, ast.Constant) and isinstance(mode.value, str)
        return text and set(mode.value) <= set("rwaxt+") if mode else not call.args
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_read_or_written_in_the_encoding_of_the_locale(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [call.lineno for call in calls if reads_by_locale(call)] == []


def test_an_intact_entry_of_another_script_is_intact_where_the_locale_is_ascii(tmp_path):
    store = Store(tmp_path / "home")

    def make(folder):
        (folder / "a.txt").write_text("ü", encoding="utf-8")
        return {"label": "модель/wanda_50"}

    store.build(CHECKPOINTS, {"model": "модель"}, make)
    log = store.home / "responses" / "0"
    log.mkdir(parents=True)
    identity = {"model": "模型", "method": "dense"}
    (log / "identity.json").write_text(json.dumps(identity, ensure_ascii=False), encoding="utf-8")
    code = (
        "import sys; from unicomp.cli import main; home = ('--unicomp-home', sys.argv[1]); "
        "sys.exit(main(('cache', 'list', *home)) or main(('cache', 'verify', *home)))"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.home)],
        env={**os.environ, **ascii_only},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"damaged" not in done.stdout
    assert b"????" in done.stdout  # what the terminal cannot show
