"""Look of the figures, and their output as bytes that depend on the data alone.

The two runs are told apart by the blue and the vermillion of Okabe and Ito's palette for colour-
blind readers, and by line style or position as well.
"""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image

from scripts.tables import publish, write_text

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import LinearSegmentedColormap

RELEASE, BASELINE, NEUTRAL = "#0072b2", "#d55e00", "#7a8691"
PAPER, INK, RULE = "#ffffff", "#22303c", "#dde3e8"
OCEAN, LAND, BORDER = "#eef3f7", "#dcd9d0", "#ffffff"
SITE = "#0b4f8a"
# Okabe and Ito (2008): told apart with any colour vision.
TONES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b4b8a")
PNG_COLOURS = 128
# An SVG shown by a page takes the page's colour scheme; the three tones of the frame follow it.
_DARK = {PAPER: "#1a2128", INK: "#dfe6ec", RULE: "#3a4650", RELEASE: "#56b4e9", BASELINE: "#f08a3c"}

# From one site to many.
DENSITY = LinearSegmentedColormap.from_list("sites", ["#5aa5d6", "#0b4f8a", "#3a0f4f", "#1a0410"])

PARAMETERS: dict[Any, Any] = {
    "svg.hashsalt": "segment1b",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@contextlib.contextmanager
def figure(rows: int = 1, columns: int = 1, **options: Any) -> Iterator[tuple[Any, Any]]:
    """Figure and axes of ``pyplot.subplots`` in the house style, closed at the end."""
    with matplotlib.rc_context(PARAMETERS):
        drawn, axes = plt.subplots(rows, columns, **options)
        try:
            yield drawn, axes
        finally:
            plt.close(drawn)


def _dark_style() -> str:
    """Style sheet that swaps the tones of the frame on a dark page."""
    rules = []
    for light, dark in _DARK.items():
        rules.append(f'[style*="fill: {light}"]{{fill:{dark} !important}}')
        rules.append(f'[style*="stroke: {light}"]{{stroke:{dark} !important}}')
    # Outlines of letters carry no style of their own.
    rules.append(f"text,[id^='text'] use,[id^='text'] path{{fill:{_DARK[INK]}}}")
    return f"<style>@media (prefers-color-scheme: dark){{{''.join(rules)}}}</style>"


def save_svg(drawn: Any, path: str | Path) -> None:
    """Publish a figure as SVG without date or program name; it follows the reader's scheme."""
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue().replace("<defs>", f"{_dark_style()}<defs>", 1)
    write_text(path, text)


def save_png(drawn: Any, path: str | Path, dpi: int = 150) -> None:
    """Publish a figure as PNG with a palette of :data:`PNG_COLOURS` colours.

    Meant for maps of few tones; a scale of colours would come out in steps, see :func:`save_full`.
    """
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    picture = Image.open(buffer).convert("RGB")
    reduced = picture.quantize(PNG_COLOURS, dither=Image.Dither.NONE)
    with publish(path) as temporary:
        reduced.save(temporary, format="PNG", optimize=True)


def save_full(drawn: Any, path: str | Path, dpi: int = 150) -> None:
    """Publish a figure as PNG with all its colours."""
    with publish(path) as temporary:
        drawn.savefig(temporary, format="png", dpi=dpi, metadata={"Software": None})
