"""Which line of a data set is for training, which for validation, which for the test."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
# Lines of the partition of the IAM database that is used most often.
IAM_SHARES = (6482, 976, 2915)


def assign_splits(count: int, shares: Sequence[float]) -> NDArray[np.int8]:
    """The split of every text. Any number of first texts is split in these shares, to within one text.

    Args:
        count: texts.
        shares: a number for each of SPLITS.

    Returns:
        int8 [count], indices into SPLITS.
    """
    wanted = np.asarray(shares, float) / np.sum(shares)
    splits, given = np.zeros(count, np.int8), np.zeros(len(wanted))
    for k in range(count):
        splits[k] = np.argmax(wanted * (k + 1) - given)
        given[splits[k]] += 1
    return splits
