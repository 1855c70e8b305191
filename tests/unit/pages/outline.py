"""A page's elements as a parser sees them."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br"}


class Outline(HTMLParser):
    """Collects tags, attributes and texts; every element must be closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def assert_needs_nothing_else(self) -> None:
        """Nothing that is fetched, run or sent; links lead to places of the page itself."""
        assert not {tag for tag, unused in self.tags} & {"script", "img", "iframe", "object", "embed", "form", "base"}
        for tag, attributes in self.tags:
            for name in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
                found = attributes.get(name)
                assert found is None or found == "data:," or found.startswith("#"), tag
            assert not any(name.startswith("on") for name in attributes), tag
        policies = [attributes.get("content") for unused, attributes in self.tags if "http-equiv" in attributes]
        assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
