"""Writes files/halves.h5: halves as Keras has them in its files under the policy float16. Needs h5py 3.

    python halves.py
"""
import h5py
import numpy as np

with h5py.File('files/halves.h5', 'w') as file:
    file['fc2/fc2/kernel:0'] = (np.arange(80) / 64 - 0.5).reshape(10, 8).astype(np.float16)
    file['fc2/fc2/bias:0'] = np.array([1, -2, 1 / 3, 6e-8, 65504, np.inf, -0.0, 0.5], np.float16)
    file['scale/gamma:0'] = np.float16(0.25)
    file['wide/gamma:0'] = np.arange(3, dtype=np.float64)
