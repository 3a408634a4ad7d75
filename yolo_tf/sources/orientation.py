"""EXIF orientation: how the pixels of a file are to be turned, and labels with them.

A camera stores pixels as its sensor lies and notes how it was held: one of eight numbers, EXIF tag 274.

    1 as stored      2 mirrored left to right    3 turned by 180°           4 mirrored top to bottom
    5 transposed     6 turned by 90° clockwise   7 transposed, by 180°      8 turned by 90° counterclockwise

Source: CIPA DC-008, Exchangeable image file format for digital still cameras (Exif 2.32), sections 4.5.2 to 4.6.5.
"""

import struct

UPRIGHT = 1
SWAPPED = (5, 6, 7, 8)  # height and width change places
TAG = 0x0112
PREFIX = b"Exif\0\0"
BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def orientation_in_exif(block):
    """Returns the orientation that an EXIF block (bytes) says, 1..8; 1, upright, where it says none that can be read."""
    block = block.removeprefix(PREFIX)
    order = BYTE_ORDERS.get(block[:4])
    if order is None or len(block) < 8:
        return UPRIGHT
    (directory,) = struct.unpack_from(f"{order}I", block, 4)
    count = struct.unpack_from(f"{order}H", block, directory)[0] if directory + 2 <= len(block) else 0
    for start in range(directory + 2, min(directory + 2 + 12 * count, len(block) - 11), 12):
        tag, value = struct.unpack_from(f"{order}H6xH", block, start)
        if tag == TAG:
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def turned_size(size, orientation):
    """Returns (height, width) of an image after turning it upright."""
    return size[::-1] if orientation in SWAPPED else size


def turned_box(box, size, orientation):
    """Returns a box of the stored image where it lies in the upright one.

    Args:
        box: (x1, y1, x2, y2) px of the stored image.
        size: (height, width) px of the upright image.
        orientation: 1..8.

    Example: (15, 22, 33, 49) of an image stored as 64 x 96 (height x width) px, orientation 6, is (15, 15, 42, 33).
    """
    height, width = size
    x1, y1, x2, y2 = box
    if orientation in SWAPPED:
        x1, y1, x2, y2 = y1, x1, y2, x2
    if orientation in (2, 3, 6, 7):
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 7, 8):
        y1, y2 = height - y2, height - y1
    return x1, y1, x2, y2
