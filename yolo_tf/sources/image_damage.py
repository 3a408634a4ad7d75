"""Damage inside image files that decoders pass over: check sums of a PNG, scans that a progressive JPEG lacks."""

import zlib

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
JPEG_HEAD = b"\xff\xd8"
PROGRESSIVE, START_OF_SCAN, END = 0xC2, 0xDA, 0xD9  # markers of a JPEG
OTHER_FRAMES = (0xC0, 0xC1, 0xC3)
BARE = (0x01, *range(0xD0, 0xD8))  # markers without a length
COEFFICIENTS = 64  # of a block


def fits_check_sums(contents):
    """Returns whether the chunks of a PNG are whole up to its end: the image itself is not decoded here.

    Source: W3C, Portable Network Graphics (PNG) Specification, sections 5.3 and 5.5.
    """
    start, kind = len(PNG_HEAD), b""
    while kind != b"IEND" and start + 12 <= len(contents):
        length, kind = int.from_bytes(contents[start : start + 4], "big"), contents[start + 4 : start + 8]
        end = start + 8 + length
        if zlib.crc32(memoryview(contents)[start + 4 : end]) != int.from_bytes(contents[end : end + 4], "big"):
            return False
        start = end + 4
    return kind == b"IEND"


def lacks_scans(contents):
    """Returns whether a progressive JPEG ends before every coefficient had its last bit: it was cut between two scans.

    Other JPEGs have one scan for each component, and whoever decodes them sees that one is missing.

    Source: ITU-T T.81, sections B.2.2, B.2.3 and G.1.1.1: a scan sends the coefficients Ss..Se of its components, up to the
    bit Al; the last scan of a coefficient has Al = 0.
    """
    components, left, place = (), {}, 2
    while place + 4 <= len(contents):
        if contents[place] != 0xFF:
            place += 1  # data of a scan, or what fills up
            place = contents.find(b"\xff", place)
            if place < 0:
                break
            continue
        kind = contents[place + 1]
        if kind in OTHER_FRAMES:
            return False
        if kind == END:
            break
        if kind in (0x00, 0xFF) or kind in BARE:
            place += 1 if kind == 0xFF else 2
            continue
        length = int.from_bytes(contents[place + 2 : place + 4], "big")
        segment = contents[place + 4 : place + 2 + length]
        if kind == PROGRESSIVE and len(segment) >= 6:
            components = segment[6 : 6 + 3 * segment[5] : 3]
            left = {component: set(range(COEFFICIENTS)) for component in components}
        elif kind == START_OF_SCAN and components and len(segment) >= 4:
            count = segment[0]
            first, last, low = segment[1 + 2 * count], segment[2 + 2 * count], segment[3 + 2 * count] & 15
            for component in segment[1 : 1 + 2 * count : 2]:
                if low == 0:
                    left.get(component, set()).difference_update(range(first, last + 1))
        place += 2 + length
    return any(left.values())
