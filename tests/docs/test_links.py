"""Every link inside the documentation leads somewhere."""

from __future__ import annotations

import importlib.util
import re
from functools import cache

import pytest

from .pages import DOCS, FILES, REPOSITORY, anchors_of, links_of

PAGES = [page for page in FILES if page.exists()]


@cache
def generated():
    """Page of `docs/` that is made when the site is built → its text."""
    spec = importlib.util.spec_from_file_location("reference_pages", DOCS / "reference_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    copies = {
        DOCS / page: (REPOSITORY / name).read_text(encoding="utf-8")
        for page, name in module.COPIED.items()
        if (REPOSITORY / name).exists()
    }
    return {DOCS / page: "\n".join(lines()) for page, lines in module.PAGES.items()} | copies


def text_of(path):
    """The text of a page, whether it is a file or made; None if it is neither."""
    if path.is_file():
        return path.read_text(encoding="utf-8") if path.suffix == ".md" else ""
    return generated().get(path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_of_a_page_leads_to_a_file_and_its_heading(page):
    dead = []
    for link in links_of(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        text = text_of(path)
        if (text is None and not path.is_dir()) or (
            anchor and anchor not in anchors_of(text or "")
        ):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_a_page_of_the_site_links_to_pages_of_the_site_only(page):
    if DOCS in page.parents:
        outside = [
            link
            for link in links_of(page.read_text(encoding="utf-8"))
            if not re.match(r"[a-z]+:|#", link)
            and DOCS not in (page.parent / link.partition("#")[0]).resolve().parents
        ]
        assert outside == []


def test_every_page_is_in_the_navigation_and_no_other():
    import yaml

    class Loader(yaml.SafeLoader):
        """Takes tags for texts."""

    settings = yaml.load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"), Loader)

    def leaves(entry):
        if isinstance(entry, str):
            return [entry]
        inner = entry.values() if isinstance(entry, dict) else entry
        return [leaf for one in inner for leaf in leaves(one)]

    there = {str(path.relative_to(DOCS)) for path in (*DOCS.rglob("*.md"), *generated())}
    assert set(leaves(settings["nav"])) == there
