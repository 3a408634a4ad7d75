"""Which font draws which letter: the one that comes with matplotlib, and for other scripts those of the system."""

import functools
import itertools
import unicodedata
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font

# Comes with matplotlib, so pictures look the same on every machine; covers Latin, Greek and Cyrillic.
FONT_PATH = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
REGULAR = FONT_PATH.with_name("DejaVuSans.ttf")  # of the plots; each has letters that the other lacks
BOX = "□"  # stands where no font has the letter
NAMED = 3  # class names in a line; the others are counted


@functools.lru_cache(maxsize=4096)
def drawable(text):
    """Returns text as it can be drawn: surrogate pairs joined, no line breaks, and BOX for every letter that no font has."""
    plain = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in _join_surrogates(text))
    letters = frozenset().union(*map(letters_of, fonts_of(plain)))
    return "".join(letter if ord(letter) in letters else "" if _is_unseen(letter) else BOX for letter in plain)


@functools.lru_cache(maxsize=4096)
def split_by_font(text):
    """Returns ((path of a font, the letters that follow each other in it), ...) of a text of `drawable`."""
    fonts = fonts_of(text)
    own = [next(path for path in fonts if ord(letter) in letters_of(path)) for letter in text]
    return tuple(
        (path, "".join(letter for _, letter in pairs))
        for path, pairs in itertools.groupby(zip(own, text, strict=True), key=lambda pair: pair[0])
    )


def fonts_of(text):
    """Returns the paths of fonts that draw a text together, FONT_PATH first; letters that none has are left out."""
    return _fonts_of(frozenset(map(ord, text)) - letters_of(FONT_PATH))


def describe_undrawable(names):
    """Returns the line on names with letters that no font has, "" where there are none."""
    wrong = [name for name in names if BOX in drawable(name) and BOX not in name]
    if not wrong:
        return ""
    named = ", ".join(f"'{_join_surrogates(name)}'" for name in wrong[:NAMED])
    others = f" and {len(wrong) - NAMED} others" if len(wrong) > NAMED else ""
    return (
        f"{named}{others}: no font on this machine has all letters of these class names; pictures and plots show boxes in"
        " their place. Install one that has them, for instance Noto (fonts-noto-core, fonts-noto-cjk)."
    )


@functools.cache
def letters_of(path):
    """Returns the code points that a font draws, a frozenset; none of one that cannot be read or has pictures for outlines."""
    try:
        font = FT2Font(str(path))
    except (RuntimeError, OSError, ValueError):
        return frozenset()
    letters = frozenset(font.get_charmap()) if font.scalable else frozenset()
    return letters & letters_of(REGULAR) if path == FONT_PATH else letters


def system_fonts():
    """Returns the paths of the fonts on this machine, those without serifs first."""
    from matplotlib.font_manager import findSystemFonts

    return sorted(findSystemFonts(), key=lambda path: ("sans" not in Path(path).name.lower(), path))


@functools.lru_cache(maxsize=256)
def _fonts_of(missing):
    fonts = [FONT_PATH]
    while missing:
        best = max(system_fonts(), key=lambda path: len(missing & letters_of(path)), default=None)
        if best is None or not missing & letters_of(best):
            break
        fonts.append(best)
        missing -= letters_of(best)
    return tuple(fonts)


def _join_surrogates(text):
    """Makes one letter of the two that JSON and UTF-16 write beyond the first 65536; one alone becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_unseen(letter):
    """Returns whether a letter changes others and is not seen itself: a joiner, a selector of variants."""
    return unicodedata.category(letter) == "Cf" or "VARIATION SELECTOR" in unicodedata.name(letter, "")
