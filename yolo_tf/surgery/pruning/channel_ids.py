"""Numbers for the channels of a network, of which some turn out to be one: they stay or go together."""

import numpy as np


class ChannelIds:
    """Hands out a number per channel, joins numbers, and notes which channels must stay, and why.

    Joined numbers form sets; each is known by its root, one of its numbers (union-find with path halving).
    """

    def __init__(self):
        self._parents = []
        self._reasons = {}  # number that was given a reason to stay -> the reason

    def new(self, count):
        """Returns `count` new numbers, int [count]."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def join(self, first, second):
        """Joins two arrays of numbers, int [c] each, place by place."""
        for one, other in zip(first, second, strict=True):
            self._parents[self._root(int(one))] = self._root(int(other))

    def keep(self, ids, reason):
        """Notes that these channels must stay."""
        for number in ids:
            self._reasons.setdefault(int(number), reason)

    def roots(self, ids):
        """Returns the root of each number, int [c]."""
        return np.array([self._root(int(number)) for number in ids], int)

    def reasons(self):
        """Returns {root: why its channels must stay}; the first reason that was given."""
        reasons = {}
        for number, reason in self._reasons.items():
            reasons.setdefault(self._root(number), reason)
        return reasons

    def _root(self, number):
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number
