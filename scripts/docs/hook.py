"""MkDocs hook: generated pages and tables, formulae as MathML, links that leave the site."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[2]
_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?:config|scripts|rules|tests|envs|README)[^)]*\)")
_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<text>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
# Search in pages from disk, where a browser allows no worker, runs in a frame; formulae need a font
# that knows how they stretch.
_VENDORED = {
    "assets/iframe-worker.js": "iframe-worker/shim.js",
    "assets/stix-two-math.woff2": "stix-two-math/stix-two-math.woff2",
}


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those of ``docs/``."""
    from mkdocs.structure.files import File

    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from scripts.docs.graph import whole_graph
    from scripts.docs.reference import pages

    for address, text in pages(whole_graph()).items():
        files.append(File.generated(config, address, content=text))
    for address, source in _VENDORED.items():
        path = str(ROOT / "resources/vendor" / source)
        files.append(File.generated(config, address, abs_src_path=path))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Tables in the place of their markers; a link to a file of the repository is its text."""
    from scripts.docs.graph import whole_graph
    from scripts.docs.page_tables import with_tables

    return without_links_outside(with_tables(markdown, page.meta, whole_graph()))


def without_links_outside(markdown: str) -> str:
    """Links to files of the repository become their text: the site does not hold them."""
    return _OUTSIDE.sub(r"\1", markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Formulae become MathML: a browser shows them without code, fonts or network."""
    return with_mathml(content)


def with_mathml(content: str) -> str:
    """A page's HTML with the LaTeX of its formulae converted."""

    def formula(found: re.Match[str]) -> str:
        display = "block" if found["tag"] == "div" else "inline"
        made = convert(html.unescape(found["text"]).strip(), display=display)
        return f'<div class="formula">{made}</div>' if display == "block" else made

    return _FORMULA.sub(formula, content)
