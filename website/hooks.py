"""Take part in the build of MkDocs: add the pages that are made, and change what pages contain."""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # MkDocs loads this file alone

from mkdocs.structure.files import File  # noqa: E402

from website import (  # noqa: E402
    api_pages,
    gallery_page,
    learner_pages,
    links,
    mathematics,
    pictures,
    schedules_page,
)


def on_config(config: Any, **_: Any) -> Any:
    """Add the pages that are made to the navigation."""
    sections = {"learners/": learner_pages.pages(), "api/": api_pages.pages()}
    config.nav = _expanded(config.nav, {name: sorted(found) for name, found in sections.items()})
    return config


def _expanded(entry: Any, folders: dict[str, list[str]]) -> Any:
    """Return a part of the navigation with the pages of folders in place of their names."""
    if isinstance(entry, list):
        return [_expanded(one, folders) for one in entry]
    if isinstance(entry, dict):
        return {title: _expanded(one, folders) for title, one in entry.items()}
    return folders.get(entry, entry)


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add pages that are made, and those that are kept outside docs/."""
    pages = {page: (ROOT / path).read_text() for path, page in links.BORROWED.items()}
    pages |= learner_pages.pages()
    pages |= api_pages.pages()
    files.append(File.generated(config, "gallery/paths.png", content=pictures.paths()))
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links lead within the site, and add what is drawn."""
    text = links.within_site(markdown, page.file.src_uri)
    return schedules_page.completed(gallery_page.completed(text))


def on_page_content(html: str, **_: Any) -> str:
    """Typeset mathematics."""
    return mathematics.typeset(html)
