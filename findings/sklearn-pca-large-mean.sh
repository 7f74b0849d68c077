#!/usr/bin/env bash
# scikit-learn 1.9.1: PCA of float32 rows whose mean is large beside their spread finds wrong components by its own choice of solver.
#
# Expected: the mean has no influence: PCA takes it away first, as `svd_solver='full'` does, with which the same rows give right numbers.
# Seen: for up to 1,000 columns and at least ten rows for each the default is 'covariance_eigh', which forms X'X of the rows as they are and
# takes n times the mean's square from it. With 2,000 rows of 64 columns, a spread of 1 to 3 and a mean of 1,000 (some 13 bits of
# each number are left for the spread), the largest variance is several times the true one, and its component leans towards the mean. With
# a mean of 10, and in float64, all is right. There is no warning; the documentation names a worse condition number, not the mean.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6

cat >pca.py <<'PY'
import sys

import numpy
from sklearn.decomposition import PCA

spread = numpy.random.default_rng(0).standard_normal((2000, 64)) * numpy.linspace(1, 3, 64)
along_mean = numpy.full(64, 1 / 8)
ok = True
for mean, kind in [(10, 'float32'), (1000, 'float32'), (10000, 'float32'), (10000, 'float64')]:
    rows = (spread + mean).astype(kind)
    right = PCA(3, svd_solver='full').fit(rows.astype('float64'))
    full, chosen = PCA(3, svd_solver='full').fit(rows), PCA(3).fit(rows)
    aligned = float(abs(chosen.components_[0] @ along_mean))
    print(f'mean {mean}, {kind}: true', right.explained_variance_.round(2), 'full', full.explained_variance_.round(2),
          'default', chosen.explained_variance_.round(2), f'first component along the mean: {aligned:.2f}')
    close = lambda found: bool(numpy.allclose(found.explained_variance_, right.explained_variance_, rtol=0.01))
    wrong = kind == 'float32' and mean >= 1000
    ok &= close(full) and close(chosen) == (not wrong)
    if wrong:
        ok &= bool(chosen.explained_variance_[0] > 2 * right.explained_variance_[0])
sys.exit(0 if ok else 1)
PY
venv/bin/python pca.py
