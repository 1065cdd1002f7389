"""Read a report's page: its elements, its numbers with their places, and its text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "base", "hr", "path", "use", "rect"}


@dataclass
class Element:
    tag: str
    attributes: dict
    parent: "Element | None"
    children: list = field(default_factory=list)
    """Elements and texts."""

    def __iter__(self):
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child

    def all(self, tag, **attributes):
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [
            one
            for one in self
            if one.tag == tag
            and all(one.attributes.get(key) == value for key, value in wanted.items())
        ]

    @property
    def above(self):
        return [] if self.parent is None else [self.parent, *self.parent.above]

    @property
    def text(self):
        return "".join(one if isinstance(one, str) else one.text for one in self.children)

    @property
    def texts(self):
        """Each text with the element that it stands in."""
        for child in self.children:
            if isinstance(child, str):
                yield self, child
            else:
                yield from child.texts


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.top = self.here = Element("", {}, None)

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice: {attrs}"
        made = Element(tag, dict(attrs), self.here)
        self.here.children.append(made)
        if tag not in VOID:
            self.here = made

    def handle_startendtag(self, tag, attrs):
        self.here.children.append(Element(tag, dict(attrs), self.here))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.here.tag == tag, f"</{tag}> ends <{self.here.tag}>"
        self.here = self.here.parent

    def handle_data(self, data):
        self.here.children.append(data)


def read(page):
    """The elements of a page; refuses one whose elements are not nested."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.here is reader.top
    return reader.top


def numbers(top):
    """Each number of the page: its path in the scorecard's file, its value, its text."""
    for one in top.all("data"):
        place = next(a.attributes["data-json"] for a in one.above if a.attributes.get("data-json"))
        path = [*place.split("/"), *one.attributes["data-key"].split("/")]
        yield path, float(one.attributes["value"]), one.text


def value_at(tables, path):
    """The value of a file at a path; a name may have a slash in it."""
    found = tables
    while path:
        if isinstance(found, list):
            found, path = found[int(path[0])], path[1:]
            continue
        for taken in range(len(path), 0, -1):
            if (name := "/".join(path[:taken])) in found:
                found, path = found[name], path[taken:]
                break
        else:
            raise KeyError(path)
    return found
