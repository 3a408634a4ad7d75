"""Names in any script: the fonts that draw them, and what is said where there is none."""

import warnings

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from yolo_tf.pictures import drawing, fonts
from yolo_tf.pictures.fonts import FONT_PATH, describe_undrawable, drawable, split_by_font
from yolo_tf.pictures.plots import plot_confusion_matrix

DOG = "\u72ac"  # of the Chinese and Japanese script, which the font of matplotlib lacks


@pytest.fixture
def only_fonts(monkeypatch):
    """Returns a function that sets the fonts of the system."""

    def forget():
        for cached in (drawable, split_by_font, fonts._fonts_of, fonts.letters_of):
            cached.cache_clear()

    def set_to(*paths):
        forget()
        monkeypatch.setattr(fonts, "system_fonts", lambda: [str(path) for path in paths])

    yield set_to
    forget()


@pytest.fixture
def dog_font(tmp_path):
    """A font of one letter, which is a filled square."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "dog"])
    builder.setupCharacterMap({ord(DOG): "dog"})
    builder.setupGlyf({".notdef": square, "dog": square})
    builder.setupHorizontalMetrics({name: (1000, 100) for name in (".notdef", "dog")})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Dog Sans", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "DogSans.ttf")
    return tmp_path / "DogSans.ttf"


def test_a_letter_that_no_font_has_is_a_box_and_is_told(only_fonts):
    only_fonts()
    assert drawable(f"{DOG} 1") == "□ 1" and drawable("chien, σκύλος, собака") == "chien, σκύλος, собака"
    assert describe_undrawable(["dog", "σκύλος", "□"]) == ""
    line = describe_undrawable(["dog", *[DOG * count for count in (1, 2, 3, 4, 5)]])
    assert line.startswith(f"'{DOG}', '{DOG * 2}', '{DOG * 3}' and 2 others: no font on this machine has all letters of")
    assert "Install one that has them, for instance Noto" in line


def test_text_that_no_font_could_draw(only_fonts):
    """Pairs of UTF-16 are one letter, halves and line breaks are none, a joiner changes what stands beside it."""
    only_fonts()
    assert drawable("\ud83d\ude00") == "\U0001f600" and drawable("\ud83d!") == "\ufffd!"
    assert drawable("a\nb\tc\x00") == "a b c " and drawable("x\ufe0f\u200dy") in ("xy", "x\u200dy", "x\ufe0f\u200dy")


def test_the_font_of_the_system_is_found(only_fonts, dog_font, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    only_fonts(tmp_path / "broken.ttf", tmp_path / "absent.ttf", dog_font)
    assert drawable(f"a{DOG}b") == f"a{DOG}b" and describe_undrawable([DOG]) == ""
    assert split_by_font(f"ab{DOG}{DOG}c") == ((FONT_PATH, "ab"), (str(dog_font), DOG * 2), (FONT_PATH, "c"))


@pytest.mark.parametrize("known", [True, False])
def test_pictures_and_plots_show_it_without_a_warning(known, only_fonts, dog_font, tmp_path):
    only_fonts(*[dog_font] * known)
    grey = np.full((280, 420, 3), 90, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = drawing.draw_boxes(grey, [[100, 60, 300, 220]], [0], [f"a{DOG}\n"], [0.5])
        plot_confusion_matrix(np.eye(3, dtype=int), [DOG, "cat $5"], tmp_path / "confusion.png")
    label = picture[40:60, 100:200]
    ink = (label.sum(-1) < 100).any(0)  # columns with black in them
    assert (np.diff(np.flatnonzero(ink)) == 1).sum() >= 4
    with Image.open(tmp_path / "confusion.png") as plot:
        assert plot.size[0] > 300


def test_a_latin_label_is_drawn_as_by_its_font_alone(only_fonts):
    """One font in one piece: to the pixel what Pillow draws."""
    from PIL import ImageDraw, ImageFont

    only_fonts()
    font, picture = ImageFont.truetype(str(FONT_PATH), 20), Image.new("RGB", (300, 60), "white")
    label = drawing._place_label(picture.size, "Ågård 0.87", (10, 40), 20)
    drawing._draw_label(ImageDraw.Draw(picture), *label, 20, (255, 255, 255))
    expected = Image.new("RGB", (300, 60), "white")
    ascent, descent = font.getmetrics()
    ImageDraw.Draw(expected).text((15, 40 - ascent - descent - 2 + 1), "Ågård 0.87", fill=(0, 0, 0), font=font)
    np.testing.assert_array_equal(np.array(picture), np.array(expected))
