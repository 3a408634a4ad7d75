"""Files of torch.save in both layouts, whole and damaged."""

import zipfile

import numpy as np
import pytest
from torch_writer import Tensor, write_stream, write_zip

from yolo_tf.checkpoints.torch_file import read_torch_file
from yolo_tf.errors import InputError

WRITERS = {"zip": write_zip, "stream": write_stream}
ARRAYS = {
    "weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7,
    "half": np.array([0.1, -2.5], np.float16),
    "double": np.array([[1e-300]]),
    "count": np.array(7, np.int64),
    "empty": np.zeros((0, 5), np.float32),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_tensors_of_every_type_and_shape(tmp_path, write):
    found = read_torch_file(write(tmp_path / "a.pt", {"epoch": 3, **{key: Tensor(array) for key, array in ARRAYS.items()}}))
    assert found["epoch"] == 3
    for key, array in ARRAYS.items():
        read = found[key].read()
        assert read.dtype == array.dtype and read.shape == array.shape and found[key].shape == array.shape
        np.testing.assert_array_equal(read, array)


def test_bfloat16_is_the_upper_half_of_float32(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("torch_writer").STORAGES, "int16", "BFloat16Storage")
    bits = np.array([0x3F80, 0xC020 - 2**16, 0x0000], np.int16)  # 1, -2.5, 0
    found = read_torch_file(write_zip(tmp_path / "a.pt", Tensor(bits))).read()
    assert found.dtype == np.float32 and found.tolist() == [1.0, -2.5, 0.0]


def test_strides_and_offset_count(tmp_path, monkeypatch):
    import torch_writer

    original = torch_writer._Pickler.reducer_override

    def transposed(self, value):
        made = original(self, value)
        return made if made is NotImplemented else (made[0], (made[1][0], 1, (2, 2), (1, 3)))

    monkeypatch.setattr(torch_writer._Pickler, "reducer_override", transposed)
    # 0 1 2 / 3 4 5 from place 1, steps 1 down and 3 across: 1 4 / 2 5
    assert read_torch_file(write_zip(tmp_path / "a.pt", Tensor(np.arange(6.0)))).read().tolist() == [[1, 4], [2, 5]]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_storage_that_declares_more_than_the_file_holds_takes_no_memory(tmp_path, write):
    path = write(tmp_path / "a.pt", {"w": Tensor(np.zeros(5, np.float32), declared=2**50)})
    with pytest.raises(InputError, match=r"a.pt: storage 0 (declares 1125899906842624 numbers|is not where it should be)"):
        read_torch_file(path)


def test_a_stream_that_declares_a_huge_storage_twice_takes_no_memory(tmp_path):
    path = write_stream(tmp_path / "a.pt", {"w": Tensor(np.zeros(5, np.float32), declared=2**40)})
    content = path.read_bytes()
    path.write_bytes(content[:-28] + (2**40).to_bytes(8, "little") + content[-20:])
    with pytest.raises(InputError, match="a.pt: storage 0 declares 1099511627776 numbers of type <f4 and holds 20 bytes"):
        read_torch_file(path)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_truncated_files_end_in_one_line(tmp_path, write):
    content = write(tmp_path / "whole.pt", {"w": Tensor(np.arange(500, dtype=np.float32))}).read_bytes()
    for end in (0, 3, 20, 60, 150, 400, len(content) // 2, len(content) - 30, len(content) - 1):
        path = tmp_path / "cut.pt"
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match="cut.pt: ") as caught:
            read_torch_file(path)["w"].read()
        assert "\n" not in str(caught.value)


def test_a_flipped_bit_is_noticed_when_the_tensor_is_read(tmp_path):
    path = write_zip(tmp_path / "a.pt", {"w": Tensor(np.full(64, 3.25))})
    content = bytearray(path.read_bytes())
    content[content.index(np.full(8, 3.25).tobytes()) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="a.pt: 'best/data/0' does not read. Expected a whole PyTorch file"):
        read_torch_file(path)["w"].read()


def test_archives_that_torch_did_not_write(tmp_path):
    compressed = write_zip(tmp_path / "deflated.pt", {"w": Tensor(np.zeros(9))}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="deflated.pt: 'best/byteorder' is compressed"):
        read_torch_file(compressed)
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(InputError, match="other.pt: the ZIP archive holds 0 files data.pkl"):
        read_torch_file(tmp_path / "other.pt")
    script = write_zip(tmp_path / "script.pt", {})
    with zipfile.ZipFile(script, "a") as archive:
        archive.writestr("best/constants.pkl", "")
    with pytest.raises(InputError, match="script.pt: is a TorchScript program"):
        read_torch_file(script)
    big = write_zip(tmp_path / "missing.pt", {"w": Tensor(np.zeros(9))})
    with zipfile.ZipFile(big) as archive, zipfile.ZipFile(tmp_path / "big.pt", "w") as other:
        for name in archive.namelist():
            other.writestr(name, b"big" if name.endswith("byteorder") else archive.read(name))
    with pytest.raises(InputError, match="big.pt: was written on a big-endian machine"):
        read_torch_file(tmp_path / "big.pt")


def test_files_that_are_none(tmp_path):
    (tmp_path / "a.pt").write_text("not a checkpoint")
    with pytest.raises(InputError, match="a.pt: is no PyTorch file. Expected a YOLOv5 checkpoint"):
        read_torch_file(tmp_path / "a.pt")
    with pytest.raises(InputError, match="b.pt: No such file or directory. Expected a YOLOv5 checkpoint"):
        read_torch_file(tmp_path / "b.pt")
    with pytest.raises(InputError, match="Is a directory"):
        read_torch_file(tmp_path)
    with pytest.raises(InputError, match="c.pt: was written on a big-endian machine"):
        read_torch_file(write_stream(tmp_path / "c.pt", {}, little_endian=False))
