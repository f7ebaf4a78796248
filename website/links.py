"""Change links to files of the repository into links within the site."""

import posixpath
import re
from pathlib import PurePosixPath

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s:]+)\)")
BORROWED = {
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages that are kept outside docs/: file -> page."""


def within_site(markdown: str, page: str) -> str:
    """Return a page with links that lead to pages, and no link where there is no page.

    Args:
        markdown: the text.
        page: its path in docs/.
    """
    sources = {there: path for path, there in BORROWED.items()}
    folder = posixpath.dirname(sources.get(page, f"docs/{page}"))

    def change(found: re.Match[str]) -> str:
        text, target = found[1], found[2]
        path, _, anchor = target.partition("#")
        if not path:
            return found[0]
        there = _page_of(posixpath.normpath(posixpath.join(folder, path)), text)
        if there is None:
            return text
        link = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"[{text}]({link}{'#' + anchor if anchor else ''})"

    parts = re.split(r"(^```.*?^```)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if k % 2 else LINK.sub(change, part) for k, part in enumerate(parts))


def _page_of(path: str, text: str) -> str | None:
    """Return the page of a file of the repository; None if it has none."""
    if path in BORROWED:
        return BORROWED[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    name = text.strip("`")
    if PurePosixPath(path).parent == PurePosixPath("learnerdsl/learners") and name.isidentifier():
        return f"learners/{name}.md"
    return None
