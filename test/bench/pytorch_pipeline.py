"""CPU seconds of a folder of JPEGs through a network in PyTorch, for `npm run bench -- photographs`. Prints JSON.

As people write it: Pillow decodes, resizes and crops in two workers of a DataLoader, the network computes channels-last in batches of 8.
The networks are those of pytorch_forward.py with random weights: only the work counts. Needs torch, numpy and Pillow.
"""
import json
import os
import resource
import sys
import time

import numpy as np
import torch
from PIL import Image

import pytorch_forward


class Folder(torch.utils.data.Dataset):
    def __init__(self, folder):
        self.paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert('RGB')
        scale = 256 / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.BILINEAR)
        left, top = [(side - 224) // 2 for side in image.size]
        pixels = np.array(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
        mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
        return torch.from_numpy(((pixels - mean) / std).transpose(2, 0, 1).copy())


def main(model, folder, threads):
    started = time.time()
    torch.set_num_threads(int(threads))
    network = getattr(pytorch_forward, model)().eval().to(memory_format=torch.channels_last)
    loader = torch.utils.data.DataLoader(Folder(folder), batch_size=8, num_workers=2)
    rows = []
    with torch.inference_mode():
        for batch in loader:
            rows.append(network(batch.to(memory_format=torch.channels_last)))
    torch.cat(rows).numpy()
    del loader
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({
        'cpuSeconds': sum(each.ru_utime + each.ru_stime for each in used),
        'seconds': time.time() - started,
        'peakBytes': used[0].ru_maxrss * 1024,
    }))


if __name__ == '__main__':
    main(*sys.argv[1:])
