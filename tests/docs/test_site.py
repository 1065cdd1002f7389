"""The site is built without a warning, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from .pages import REPOSITORY

LOADED = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?https?:|<link\b[^>]*>""")


@pytest.mark.long
def test_the_site_is_built_offline_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    nowhere = "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        tags = LOADED.findall(page.read_text(encoding="utf-8"))
        loaded = [tag for tag in tags if "http" in tag and "canonical" not in tag]
        assert loaded == [], page
