"""Linear CKA, biased and debiased, of all pairs of feature sets in float64; each argument is a folder of part files. Gram matrices lie in a
temporary file beside the first, since those of many sets do not fit into memory."""

import json
import pathlib
import resource
import sys
import tempfile
import time

import numpy as np

start = time.perf_counter()
folders = [pathlib.Path(path) for path in sys.argv[1:-1]]
load = lambda folder: np.concatenate([np.load(part) for part in sorted(folder.glob("*.npy"))]).astype(np.float64)
n = sum(len(np.load(part, mmap_mode="r")) for part in folders[0].glob("*.npy"))
with tempfile.TemporaryFile(dir=folders[0].parent.parent) as file:
    grams = np.memmap(file, np.float64, "w+", shape=(len(folders), n, n))
    diagonals, sums = [], []
    for i, folder in enumerate(folders):
        features = load(folder)
        features -= features.mean(axis=0)
        gram = features @ features.T
        diagonals.append(np.diag(gram).copy())
        np.fill_diagonal(gram, 0)
        sums.append(gram.sum(axis=0))
        grams[i] = gram

    def hsic(a, b):
        off = np.vdot(grams[a], grams[b])
        debiased = off + sums[a].sum() * sums[b].sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (sums[a] @ sums[b])
        return np.array([off + diagonals[a] @ diagonals[b], debiased])

    count = len(folders)
    own = [hsic(i, i) for i in range(count)]
    pairs = [(hsic(a, b) / np.sqrt(own[a] * own[b])).tolist() for a in range(count) for b in range(a + 1, count)]
usage = resource.getrusage(resource.RUSAGE_SELF)
print(
    json.dumps(
        {
            "pairs": pairs,
            "seconds": time.perf_counter() - start,
            "cpuSeconds": usage.ru_utime + usage.ru_stime,
            "peakBytes": usage.ru_maxrss * 1024,
        }
    )
)
