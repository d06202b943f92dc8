"""docs/visual-language.md says what the tokens are, and what stands on what can be read."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TOKENS = ROOT / "betsizing/static/betsizing/css/tokens.css"
PAGE = ROOT / "docs/visual-language.md"
READABLE = 4.5  # WCAG 2.2 AA, text of any size
VISIBLE = 3.0  # the same for marks without text
GROUNDS = ("paper", "raised", "well", "wait-soft", "accent-soft")
TEXTS = ("ink", "muted", "accent", "gain", "loss", "wait", "alarm")
SCHEMES = ("light", "dark")


def tokens() -> dict[str, dict[str, str]]:
    parts = TOKENS.read_text().split("@media (prefers-color-scheme: dark)")
    colours = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", part)) for part in parts]
    found = dict(zip(SCHEMES, colours, strict=True))
    assert found["light"].keys() == found["dark"].keys()
    return found


def luminance(colour: str) -> float:
    shares = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def told() -> dict[str, tuple[str, ...]]:
    """The cells of each token's row."""
    rows = re.findall(r"^\| `--([a-z-]+)` \| (.+) \|$", PAGE.read_text(), re.M)
    return {name: tuple(cell.strip(" `") for cell in cells.split("|")) for name, cells in rows}


def test_black_on_white_is_21_to_1():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_colour_is_told_as_it_is():
    palette, rows = tokens(), told()
    assert rows.keys() == palette["light"].keys()
    assert {name: row[:2] for name, row in rows.items()} == {
        name: (palette["light"][name], palette["dark"][name]) for name in rows
    }


@pytest.mark.parametrize("text", TEXTS)
def test_the_ratios_told_are_those_of_the_tokens(text):
    palette = tokens()
    computed = tuple(f"{contrast(palette[scheme][text], palette[scheme]['paper']):.1f}" for scheme in SCHEMES)
    assert told()[text][2:4] == computed


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("text", TEXTS)
def test_every_text_can_be_read_on_every_ground(text, scheme):
    colours = tokens()[scheme]
    for ground in GROUNDS:
        assert contrast(colours[text], colours[ground]) >= READABLE, ground


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_button_can_be_read_and_the_edge_of_a_field_seen(scheme):
    colours = tokens()[scheme]
    assert contrast(colours["on-accent"], colours["accent"]) >= READABLE
    for ground in ("paper", "raised"):  # where fields stand
        assert contrast(colours["strong-line"], colours[ground]) >= VISIBLE, ground


def test_the_page_names_only_files_that_there_are():
    named = re.findall(r"`((?:templates|betsizing|accounts|riskengine)/[^`]+)`", PAGE.read_text())
    assert len(named) >= 5
    assert [path for path in named if not (ROOT / path).exists()] == []
