"""Linear CKA, biased and debiased, of all pairs of .npy files in float64, as a script would: Gram matrices by NumPy's product."""

import json
import resource
import sys
import time

import numpy as np

start = time.perf_counter()
grams = []
for path in sys.argv[1:-1]:
    features = np.load(path).astype(np.float64)
    features = features - features.mean(axis=0)
    grams.append(features @ features.T)
n = len(grams[0])


def hsic(k, l):
    without = (k - np.diag(np.diag(k)), l - np.diag(np.diag(l)))
    a, b = without
    debiased = (a * b).sum() + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (a.sum(axis=0) @ b.sum(axis=0))
    return np.array([(k * l).sum(), debiased])


own = [hsic(gram, gram) for gram in grams]
pairs = [
    (hsic(grams[a], grams[b]) / np.sqrt(own[a] * own[b])).tolist() for a in range(len(grams)) for b in range(a + 1, len(grams))
]
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
