"""Which files of a directory are images."""

import os

import pytest

from yolo_tf.errors import InputError
from yolo_tf.system.image_walk import ImageWalk, match_images, picture_kind, walk_images

HEADS = {
    "jpeg": b"\xff\xd8\xff\xe0",
    "png": b"\x89PNG\r\n\x1a\n",
    "gif": b"GIF89a",
    "webp": b"RIFF\x01\x02\x03\x04WEBP",
    "bmp": b"BM\x01\x02\x03\x04\0\0\0\0",
}


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a/z.PNG", "a/notes.txt", ".hidden.jpg", "a/.tools/c.jpg", "@eaDir/d.gif", "scan.tiff", "a.jpg/e.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    return tmp_path


def test_what_counts_and_what_does_not(folder):
    walk = walk_images(folder)
    names = {
        kind: [path.relative_to(folder).as_posix() for path in getattr(walk, kind)]
        for kind in ("images", "unread", "hidden", "repeated")
    }
    assert names == {
        "images": ["a/z.PNG", "a.jpg/e.bmp", "b.jpg"],
        "unread": ["scan.tiff"],
        "hidden": [".hidden.jpg", "@eaDir/d.gif", "a/.tools/c.jpg"],
        "repeated": [],
    }
    flat = walk_images(folder, below=False)
    assert flat.images == (folder / "b.jpg",) and flat.hidden == (folder / ".hidden.jpg",)
    assert flat.unentered == (folder / "a", folder / "a.jpg") and walk.unentered == ()
    assert flat.notes("photos")[-1] == (
        f"photos: 2 folders in it are not looked into: {folder}/a, {folder}/a.jpg. Give 'photos/**' for their images too."
    )


def test_a_link_to_nothing_is_an_image_that_is_missing(folder):
    os.symlink("gone.jpg", folder / "link.jpg")
    assert folder / "link.jpg" in walk_images(folder).images


def test_without_a_suffix_the_first_bytes_count(tmp_path):
    for name, head in {**HEADS, "text": b"BMW are cars", "empty": b""}.items():
        (tmp_path / name).write_bytes(head + bytes(20) if head else head)
    assert [path.name for path in walk_images(tmp_path).images] == sorted(HEADS)
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    assert picture_kind(str(tmp_path / "pipe")) == ""


def test_a_glob_passes_over_folders_of_tools_unless_it_names_them(folder):
    assert [path.name for path in match_images(f"{folder}/**").images] == ["e.bmp", "z.PNG", "b.jpg"]
    assert match_images(f"{folder}/@eaDir/*").images == (folder / "@eaDir/d.gif",)


def test_notes_name_three_and_count_the_rest(tmp_path):
    walk = ImageWalk(images=(), unread=tuple(tmp_path / f"{index}.heic" for index in range(5)))
    (note,) = walk.notes("train")
    assert note == (
        f"train: 5 pictures of formats that are not read (.heic) are left out: {tmp_path}/0.heic, {tmp_path}/1.heic,"
        f" {tmp_path}/2.heic and 2 more. Convert them to PNG or JPEG."
    )


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r": cannot be read \(Permission denied\)\. Expected a directory"):
        walk_images(folder)


def test_a_picture_linked_to_itself_is_one_that_cannot_be_read(folder):
    os.symlink("self.jpg", folder / "self.jpg")
    assert folder / "self.jpg" in walk_images(folder).images


def test_a_glob_ends_where_links_lead_in_a_circle(folder, monkeypatch):
    """Each folder once, however many links lead there; with two of them a plain walk doubles at every level."""
    for name in ("a/up", "a/again"):
        os.symlink("..", folder / name)
    (folder / "a/deep").mkdir()
    (folder / "a/deep/y.jpg").touch()
    names = [path.name for path in match_images(f"{folder}/**").images]
    assert names == ["e.bmp", "y.jpg", "z.PNG", "b.jpg"]
    assert [path.name for path in match_images(f"{folder}/**/*.jpg").images] == ["y.jpg", "b.jpg"]
    assert [path.name for path in match_images(f"{folder}/a*/**/*.[jP]*").images] == ["b.jpg", "y.jpg", "z.PNG"]  # through again
    assert match_images(f"{folder}/**/deep/**/*.jpg").images == (folder / "a/deep/y.jpg",)
    assert match_images(f"{folder}/b**.jpg").images == (folder / "b.jpg",)
    monkeypatch.chdir(folder)
    assert [str(path) for path in match_images("**/*.jpg").images] == ["a/deep/y.jpg", "b.jpg"]
