"""The page needs nothing beside itself."""

import base64

import numpy as np
from html_reader import Reader
from PIL import Image

from yolo_tf.pictures import page


def test_names_are_text_and_no_markup():
    pieces = [page.paragraph("<b>&"), page.table(("class", "AP"), [("<script>x</script>", "0.5")]), page.note('"1" < 2')]
    read = Reader(page.page("a < b", [("", pieces), ("c & d", [])]))
    assert not {"b", "script"} & set(read.tags)
    assert {"a < b", "<b>&", "<script>x</script>", '"1" < 2', "c & d"} <= set(read.texts)
    assert read.tags.count("tr") == 2 and read.tags.count("h2") == 1


def test_pictures_are_part_of_the_page(tmp_path):
    Image.fromarray(np.arange(36, dtype=np.uint8).reshape(4, 3, 3)).save(tmp_path / "one.png")
    read = Reader(page.gallery([page.picture(tmp_path / "one.png", 'a "picture"', "below it")]))
    media, _, content = read.sources[0].partition(";base64,")
    assert media == "data:image/png" and base64.b64decode(content) == (tmp_path / "one.png").read_bytes()
    assert "below it" in read.texts and read.tags == ["div", "figure", "img", "figcaption"]


def test_a_key_says_what_colours_mean():
    assert 'style="color: rgb(0, 158, 115)">right' in page.key([("right", (0, 158, 115))])
