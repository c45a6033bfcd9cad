"""MkDocs hook: adds the generated reference pages, and mends links that leave the site."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./(?:config|scripts|rules|tests|envs|README)[^)]*\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those of ``docs/``."""
    from mkdocs.structure.files import File

    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from scripts.docs.graph import whole_graph
    from scripts.docs.reference import pages

    for address, text in pages(whole_graph()).items():
        files.append(File.generated(config, address, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to files of the repository become their text: the site does not hold them."""
    return _OUTSIDE.sub(r"\1", markdown)
