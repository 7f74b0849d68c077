import { oneDrive, resnet } from './families/resnet.js'
import { timmBicubic, timmPlain, timmWide } from './shared/timm.js'

export const resnet50 = resnet({
  name: 'resnet50',
  blocks: [3, 4, 6, 3],
  letters: true,
  timm: {
    a1h_in1k: [0.9, 'bicubic', 176],
    am_in1k: timmBicubic,
    b1k_in1k: timmWide,
    b2k_in1k: timmWide,
    bt_in1k: timmBicubic,
    c1_in1k: timmWide,
    c2_in1k: timmWide,
    d_in1k: timmWide,
    fb_ssl_yfcc100m_ft_in1k: timmPlain,
    fb_swsl_ig1b_ft_in1k: timmPlain,
    ra_in1k: timmBicubic,
    ram_in1k: timmBicubic,
  },
  msra: {
    file: 'ResNet-50-model.caffemodel',
    urls: ['https://dl.opencv.org/models/ResNet-50-model.caffemodel', oneDrive(17895)],
    bytes: 102462397,
    hashes: {
      sha256: '44ee2b08816cede2b7aaa047888df07dcab52f73399aa1c8bef05a17bfdd4888',
      sha1: 'b7c79ccc21ad0479cddc0dd78b1d20c4d722908d',
    },
  },
  keras: { md5: '2cb95161c43110f7111970584f804107', bytes: 102967424 },
  torchvision: {
    sha256: '5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888',
    bytes: 102469840,
    revision: '78f3ecfdb38e06d9b8397f662e7ab8fee96026fa',
  },
})
