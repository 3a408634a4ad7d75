"""Pictures that look alike: 64 bits each, the same picture turned and mirrored too, found without looking at all pairs.

The bits are the signs of low frequencies of a grey thumbnail (a cosine transform), so brightness, contrast, size and
compression hardly change them. Of a mirrored picture the odd frequencies change their sign, of a transposed one the frequencies
change places: the eight ways to turn a picture are eight permutations of what is known anyway.

Source: the perceptual hash by a discrete cosine transform, C. Zauner, "Implementation and Benchmarking of Perceptual Image
Hash Functions" (2010), section 3.2.1; near ones by bands: G. Manku, A. Jain, A. Das Sarma, "Detecting Near-Duplicates for Web
Crawling" (WWW 2007), section 3.
"""

import itertools

import numpy as np

THUMBNAIL_SHAPE = (16, 16)  # px
SIDE = 8  # frequencies in each direction
BANDS = 8  # of eight bits
MOST_BITS = BANDS - 2  # by which two pictures may differ: so two of their bands are equal
LIKENESS = 0.97  # correlation of the thumbnails from which two pictures are alike
FLAT = 4.0  # standard deviation of grey values below which a thumbnail shows nothing to compare
MOST_IN_BAND = 500  # pictures behind one in a bucket that it is compared with: of a long film, neighbours are enough
AT_ONCE = 4096  # pictures whose candidates are in memory together
WAYS = tuple((transposed, down, across) for transposed in (False, True) for down in (False, True) for across in (False, True))
UPRIGHT_WAY = 0  # of WAYS
ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1).astype(np.uint8)  # [256], bits that are set


def similar_pairs(thumbnails):
    """Finds pictures that look alike.

    Args:
        thumbnails: uint8 [N, S, S], grey.

    Returns:
        int64 [P, 3]: (i, j, way) with i < j; picture j turned by WAYS[way] looks as i does. Each pair once, sorted.
    """
    planes = thumbnails.astype(np.float32)
    planes = planes - planes.mean((1, 2), keepdims=True)
    deviation = planes.std((1, 2))
    seen = np.flatnonzero(deviation >= FLAT)
    planes = planes[seen] / deviation[seen, None, None]
    if len(seen) < 2:
        return np.zeros((0, 3), np.int64)
    hashes = np.stack([_hashes(turned(planes, way)) for way in WAYS])  # uint8 [8 ways, n, BANDS]
    found = {}
    for way in range(len(WAYS)):
        first, second = _near(hashes[UPRIGHT_WAY], hashes[way])
        likeness = np.einsum("nij,nij->n", planes[first], turned(planes[second], WAYS[way])) / planes[0].size
        alike = likeness >= LIKENESS
        for i, j, value in zip(first[alike], second[alike], likeness[alike], strict=True):
            key = (int(seen[i]), int(seen[j]))
            if value > found.get(key, (0, 0))[0] + 1e-6:  # the first way where two are equally good
                found[key] = (float(value), way)
    return np.array(sorted((i, j, way) for (i, j), (_, way) in found.items()), np.int64).reshape(-1, 3)


def turned(planes, way):
    """Returns [N, S, S] transposed, then mirrored top to bottom, then left to right, as `way` of WAYS says."""
    transposed, down, across = way
    planes = planes.swapaxes(1, 2) if transposed else planes
    planes = planes[:, ::-1] if down else planes
    return planes[:, :, ::-1] if across else planes


def groups_of(count, pairs):
    """Returns for each of `count` things the smallest number of its group; pairs [P, 2] are in one."""
    parent = list(range(count))

    def root(index):
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in pairs:
        low, high = sorted((root(int(first)), root(int(second))))
        parent[high] = low
    return [root(index) for index in range(count)]


def _hashes(planes):
    """Returns the bits of [n, S, S] as uint8 [n, BANDS]."""
    size = planes.shape[1]
    waves = np.cos(np.pi / size * (np.arange(size) + 0.5) * np.arange(SIDE + 1)[:, None]).astype(np.float32)  # [SIDE + 1, S]
    frequencies = np.einsum("ui,nij,vj->nuv", waves, planes, waves, optimize=True)
    # Without the first row and column: there stand the mean and what a gradient over the picture is.
    bits = frequencies[:, :SIDE, :SIDE].reshape(len(planes), -1) > 0
    bits[:, 0] = frequencies[:, SIDE, SIDE] > 0  # the mean says nothing
    return np.packbits(bits, axis=1)


def _near(first, second):
    """Returns two int arrays, i < j: the pairs that differ in MOST_BITS or less of `first`, `second`: uint8 [n, BANDS]."""
    found, count = [np.zeros(0, np.int64)], len(first)
    for bands in itertools.combinations(range(BANDS), 2):
        keys = [hashes[:, bands].astype(np.int64) @ (256, 1) * count for hashes in (first, second)]
        order = np.argsort(keys[1], kind="stable")
        ordered = keys[1][order] + order
        starts = np.searchsorted(ordered, keys[0] + np.arange(count), side="right")  # those behind i alone
        ends = np.minimum(np.searchsorted(ordered, keys[0] + count), starts + MOST_IN_BAND)
        for low in range(0, count, AT_ONCE):
            who, place = _expanded(starts[low : low + AT_ONCE], ends[low : low + AT_ONCE])
            who, other = who + low, order[place]
            near = ONES[first[who] ^ second[other]].sum(1) <= MOST_BITS
            found.append(who[near] * count + other[near])
    pairs = np.unique(np.concatenate(found))
    return pairs // count, pairs % count


def _expanded(starts, ends):
    """Returns (row, place) of every place from starts[row] to before ends[row], two int arrays."""
    counts = np.maximum(ends - starts, 0)
    rows = np.repeat(np.arange(len(starts)), counts)
    return rows, np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(starts, counts)
