"""`yolo-tf predict --save-jsonl`: whole, resumed after a kill, and in bounded memory."""

import json
import os
import signal
import subprocess
import sys
import time

import detector_files
import pytest
from PIL import Image

from yolo_tf.cli import main
from yolo_tf.pictures.generated_images import generated_images

COUNT = 26
PEAK = "import re, pathlib; print(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A directory of 26 images, number 5 broken."""
    folder = tmp_path_factory.mktemp("images")
    for index, image in enumerate(generated_images((96, 160), count=COUNT, seed=1)):
        Image.fromarray(image[: 96 - index]).save(folder / f"{index:03d}.png")
    (folder / "005.png").write_bytes(b"broken")
    return folder


@pytest.fixture(scope="module")
def listing(images):
    path = images / "list.txt"
    path.write_text("".join(f"{index:03d}.png\n" for index in range(COUNT)))
    return path


def words(source, out, *more):
    options = ["--save-jsonl", "--batch", "4", "--score-threshold", "0.3", "--no-pictures"]
    return ["predict", *map(str, (detector_files.keras_file(), source, "--out", out, *options, *more))]


def lines(out):
    return (out / "detections.jsonl").read_text().splitlines()


def parquet_rows(out):
    import pyarrow.parquet

    return [row for part in sorted(out.glob("*.parquet")) for row in pyarrow.parquet.read_table(part).to_pylist()]


@pytest.mark.long
def test_killed_in_the_middle_and_resumed(images, listing, tmp_path, capsys):
    """Reading a pipe that nobody writes to waits for ever: there the process is when it is killed, 14 of 26 images in."""
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    parquet = ("--save-parquet", "--part-images", 8)
    assert main(words(listing, tmp_path / "whole", *parquet)) == 0
    assert "26 images, 1 of them unreadable (rows with an error), " in capsys.readouterr().out

    pipe, kept = images / "014.png", images / "kept"
    pipe.rename(kept)
    os.mkfifo(pipe)
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-m", "yolo_tf", *words(listing, killed, *parquet)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (killed / "detections.jsonl").exists() or len(lines(killed)) < 12:  # three batches; 14 waits in the fourth
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        pipe.unlink()
        kept.rename(pipe)
    assert len(lines(killed)) == 12 and len(parquet_rows(killed)) == 8
    with open(killed / "detections.jsonl", "a") as file:
        file.write('{"path": "torn')

    assert main(words(listing, killed, *parquet, "--resume", "--json", tmp_path / "result.json")) == 0
    assert "18 images after the 8 there were, " in capsys.readouterr().out
    assert (killed / "detections.jsonl").read_bytes() == (tmp_path / "whole" / "detections.jsonl").read_bytes()
    assert parquet_rows(killed) == parquet_rows(tmp_path / "whole")
    rows = [json.loads(line) for line in lines(killed)]
    assert [row["path"] for row in rows] == [str(images / f"{index:03d}.png") for index in range(COUNT)]
    assert sum(len(row.get("detections", ())) for row in rows) > 50 and "does not decode" in rows[5]["error"]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["num_images_before"] == 8 and result["num_images"] == 18 and result["images_per_second"] > 0
    assert main(words(listing, killed, *parquet, "--resume")) == 0, "nothing is left to do"
    assert "0 images after the 26 there were, 0 detections" in capsys.readouterr().out
    assert len(lines(killed)) == COUNT


@pytest.mark.slow
def test_a_signal_stops_behind_the_batch_and_the_run_goes_on(images, listing, tmp_path, monkeypatch, capfd):
    from yolo_tf.inference import prediction

    assert main(words(images, tmp_path / "whole")) == 0
    predicted = prediction._predict_batch

    def interrupt(detector, paths, batch, detect):
        if paths[0].name == "008.png":
            os.kill(os.getpid(), signal.SIGINT)
        return predicted(detector, paths, batch, detect)

    monkeypatch.setattr(prediction, "_predict_batch", interrupt)
    assert main(words(images, tmp_path / "stopped")) == 130
    assert "predict: stopped by SIGINT." in capfd.readouterr().err and len(lines(tmp_path / "stopped")) == 12
    monkeypatch.undo()
    assert main(words(images, tmp_path / "stopped", "--resume")) == 0
    assert lines(tmp_path / "stopped") == lines(tmp_path / "whole")


def test_stop_at_a_bad_image(images, tmp_path, capsys):
    assert main(words(images, tmp_path / "out", "--on-bad-image", "stop")) == 2
    assert "005.png: the image does not decode" in capsys.readouterr().err.splitlines()[-1]
    assert len(lines(tmp_path / "out")) == 5


@pytest.mark.slow
def test_pictures_and_txt_of_many(images, tmp_path):
    options = [str(word) for word in (images, "--out", tmp_path, "--save-jsonl", "--save-txt", "--rect")]
    assert main(["predict", str(detector_files.saved_model()), *options]) == 0
    readable = {f"{index:03d}" for index in range(COUNT)} - {"005"}
    assert {path.stem for path in tmp_path.glob("*.jpg")} == readable == {path.stem for path in tmp_path.glob("labels/*.txt")}
    for row in map(json.loads, lines(tmp_path)):
        if "error" not in row:
            stem = row["path"].rsplit("/", 1)[1].removesuffix(".png")
            boxes = [one["box"] for one in row["detections"]]
            in_it = sum(x1 < x2 and y1 < y2 for x1, y1, x2, y2 in boxes)
            assert len((tmp_path / "labels" / f"{stem}.txt").read_text().splitlines()) == in_it
            with Image.open(tmp_path / f"{stem}.jpg") as picture:
                assert picture.size == (row["width"], row["height"])


@pytest.mark.parametrize(
    "more, message",
    [
        (["--batch", "4"], "--batch: belongs to --save-jsonl or --save-parquet. Expected one of them. Add it, or"),
        (["--resume"], "--resume: belongs to --save-jsonl"),
        (["--on-bad-image", "stop"], "--on-bad-image: belongs to"),
        (["--save-jsonl", "--save-json"], "--save-json: holds all images in memory. Expected --save-jsonl or --save-p"),
        (["--save-jsonl", "--resume"], "--resume: there is no --out. Expected the directory of the run to go on with"),
        (["--no-pictures"], "--no-pictures: nothing is left to write. Expected --save-jsonl, -parquet, -json or -txt. Add one"),
        (["--save-jsonl", "--rect", "--batch", "2"], "--rect: the images of a batch of 2 would have several sizes"),
        (["--save-parquet", "--part-images", "0"], "--part-images: got 0"),
    ],
)
def test_options_that_do_not_go_together(more, message, images, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(detector_files.keras_file()), str(images), *more]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and message in error[0] and not any(tmp_path.iterdir())


def test_rect_needs_a_file_of_any_size(images, capsys, tmp_path):
    options = [str(images), "--out", str(tmp_path / "out"), "--save-jsonl", "--rect"]
    assert main(["predict", str(detector_files.tflite_file()), *options]) == 2
    assert "--rect: " in (error := capsys.readouterr().err.splitlines()[-1]) and "takes images of 96 x 160 px" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.long
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_images(images, tmp_path):
    """2,000 images instead of 200, each a file of its own: the peak of the process is less than 20 MB higher."""
    content = (images / "000.png").read_bytes()
    (tmp_path / "images").mkdir()
    peaks = []
    for count in (200, 2000):
        for index in range(count):
            (tmp_path / "images" / f"{index:04d}.png").write_bytes(content)
        command = words(tmp_path / "images", tmp_path / str(count))
        code = f"from yolo_tf.cli import main; assert main({command!r}) == 0; {PEAK}"
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert len(lines(tmp_path / str(count))) == count
        peaks.append(int(shown.splitlines()[-1]) / 1000)
    assert peaks[1] - peaks[0] < 20, f"peak memory {peaks} MB"
