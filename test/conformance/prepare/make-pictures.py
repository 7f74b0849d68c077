"""Makes the files of read/ and refused/, and read.json: the pixels that Pillow has of each.

    python make-pictures.py files    with tifffile 2026.3, imagecodecs 2026.3 and Pillow 12.3: the files
    python make-pictures.py pixels   with Pillow 9.4, and 12.3 for AVIF, which 9.4 does not read: the pixels

ImageMagick 6.9, libvips 8.14 and GDAL 3.6 write the rest: their commands are in `others`.
"""
import base64, io, json, os, subprocess, sys, warnings
from PIL import Image, ImageOps

warnings.simplefilter('ignore')
HERE = os.path.dirname(os.path.abspath(__file__))
READ, REFUSED = os.path.join(HERE, 'read'), os.path.join(HERE, 'refused')
H, W = 13, 19


def files():
    import numpy as np, tifffile
    y, x = np.mgrid[0:H, 0:W]
    rgb = np.stack([x * 255 // (W - 1), y * 255 // (H - 1), (x * 7 + y * 5) % 256], -1).astype(np.uint8)
    grey, image = rgb[..., 0], Image.fromarray(rgb)
    alpha = np.concatenate([rgb, (255 - grey)[..., None]], -1)
    cmyk = np.concatenate([255 - rgb, (grey // 3)[..., None]], -1)

    def tiff(folder, name, data, **options):
        tifffile.imwrite(os.path.join(folder, name + '.tif'), data, metadata=None, **options)

    tile = (16, 16)
    for name in ['jpeg2000', 'jpegxl', 'jpegxr', 'jpeg_lossy', 'jpegxl_dng', 'lerc', 'zstd', 'lzma', 'png', 'aperio_jp2000_rgb']:
        tiff(REFUSED, f'tiles-{name}', rgb, photometric='rgb', compression=name, tile=tile)
        tiff(REFUSED, f'strips-{name}', grey, photometric='minisblack', compression=name)
    for order, big in [('<', False), ('>', True)]:
        kind = ('little' if order == '<' else 'big') + ('-bigtiff' if big else '')
        for dtype in ['float16', 'float32', 'float64', 'uint32', 'int8', 'int16', 'int32', 'complex64']:
            tiff(REFUSED, f'{dtype}-rgb-{kind}', (rgb / 255).astype(dtype), photometric='rgb', byteorder=order, bigtiff=big)
            tiff(REFUSED, f'{dtype}-grey-{kind}', grey.astype(dtype), photometric='minisblack', byteorder=order, bigtiff=big)
    tiff(REFUSED, 'float32-tiles', rgb.astype('float32'), photometric='rgb', tile=tile, compression='deflate')
    for bits in [3, 6, 12]:
        tiff(REFUSED, f'{bits}-bits', (grey.astype(int) * (2**bits - 1) // 255).astype('uint8' if bits < 8 else 'uint16'), photometric='minisblack', bitspersample=bits)
    tiff(REFUSED, '4-bits-rgb', rgb >> 4, photometric='rgb', bitspersample=4)
    ycc = np.asarray(image.convert('YCbCr'))
    tiff(REFUSED, 'ycbcr', ycc, photometric='ycbcr', subsampling=(1, 1))
    tiff(REFUSED, 'ycbcr-lzw', ycc, photometric='ycbcr', subsampling=(1, 1), compression='lzw')
    for name in ['cielab', 'icclab', 'itulab', 'linear_raw']:
        tiff(REFUSED, name, rgb, photometric=name)
    for name in ['cfa', 'mask']:
        tiff(REFUSED, name, grey, photometric=name)
    for bands in [6, 8]:
        tiff(REFUSED, f'{bands}-bands', np.stack([grey] * bands, -1), photometric='rgb', planarconfig='contig')
    tiff(REFUSED, '4-grey-bands', np.stack([grey] * 4, -1), photometric='minisblack', planarconfig='contig')
    tiff(REFUSED, 'cmyk16', cmyk.astype('uint16') * 257, photometric='separated')
    tiff(REFUSED, 'planes-in-tiles', rgb.transpose(2, 0, 1), photometric='rgb', planarconfig='separate', tile=tile)

    for order in '<>':
        kind = 'little' if order == '<' else 'big'
        tiff(READ, f'rgb-{kind}', rgb, photometric='rgb', byteorder=order)
        tiff(READ, f'planes-{kind}', rgb.transpose(2, 0, 1), photometric='rgb', planarconfig='separate', byteorder=order)
        tiff(READ, f'rgb16-{kind}', rgb.astype('uint16') * 257, photometric='rgb', compression='lzw', predictor=True, byteorder=order)
        tiff(READ, f'white-{kind}', grey, photometric='miniswhite', byteorder=order)
    tiff(READ, 'bigtiff', rgb, photometric='rgb', bigtiff=True, tile=tile, compression='deflate')
    for bits in [2, 4]:
        tiff(READ, f'grey{bits}', grey >> (8 - bits), photometric='minisblack', bitspersample=bits)
        tiff(READ, f'white{bits}', grey >> (8 - bits), photometric='miniswhite', bitspersample=bits)
    tiff(READ, 'bilevel', grey > 127, photometric='miniswhite')
    tiff(READ, 'alpha-premultiplied', alpha, photometric='rgb', extrasamples=['assocalpha'])
    tiff(READ, 'alpha16-premultiplied', alpha.astype('uint16') * 257, photometric='rgb', extrasamples=['assocalpha'])
    tiff(READ, 'alpha-straight', alpha, photometric='rgb', extrasamples=['unassalpha'])
    tiff(READ, '5-bands', np.concatenate([alpha, alpha[..., :1]], -1), photometric='rgb', planarconfig='contig')
    tiff(READ, 'cmyk', cmyk, photometric='separated', compression='packbits')
    tiff(READ, 'cmyk-planes', cmyk.transpose(2, 0, 1), photometric='separated', planarconfig='separate')
    tiff(READ, 'jpeg-tiles', np.kron(rgb, np.ones((2, 2, 1), 'uint8')), photometric='ycbcr', subsampling=(2, 2), compression='jpeg', tile=(32, 32))
    tiff(READ, 'webp', rgb, photometric='rgb', compression='webp')
    for turn in range(1, 9):
        tiff(READ, f'orientation{turn}', rgb, photometric='rgb', compression='deflate', extratags=[(274, 'H', 1, turn, True)])
        exif = Image.Exif()
        exif[274] = turn
        image.save(os.path.join(READ, f'orientation{turn}.avif'), exif=exif, quality=90, subsampling='4:4:4', speed=8)
    frames = [image.transpose(Image.Transpose.ROTATE_180), image.convert('L').convert('RGB')]
    image.save(os.path.join(READ, 'animated.avif'), save_all=True, append_images=frames, quality=90, subsampling='4:4:4', speed=8)
    image.convert('L').save(os.path.join(READ, 'grey.avif'), quality=90, speed=8)
    image.save(os.path.join(READ, '420.avif'), quality=90, subsampling='4:2:0', speed=8)
    Image.fromarray(alpha).save(os.path.join(REFUSED, 'premultiplied.avif'), alpha_premultiplied=True, speed=8)
    netpbm(rgb, grey)
    for name in ['t.jp2', 't.j2k', 't.tga', 't.qoi', 't.dds', 't.ico', 't.pcx', 't.sgi', 't.im', 't.dib', 't.eps', 't.pdf', 't.blp', 't.xbm', 't.msp']:
        for mode in ['RGB', 'P', '1']:
            try:
                image.convert(mode).save(os.path.join(REFUSED, name))
                break
            except (OSError, ValueError):
                pass
    Image.fromarray(grey.astype('float32')).save(os.path.join(REFUSED, 't.pfm'))
    others(image)


def netpbm(rgb, grey):
    import numpy as np

    def write(name, *parts):
        with open(os.path.join(READ, name), 'wb') as file:
            for part in parts:
                file.write(part.encode() if isinstance(part, str) else part)

    def plain(values):
        return '\n'.join(' '.join(str(value) for value in row.reshape(-1)) for row in values) + '\n'

    bits = (grey < 128).astype(int)
    write('p1.pbm', f'P1\n{W} {H}\n', plain(bits))
    write('p1-close.pbm', f'P1 {W} {H}\n', '\n'.join(''.join(map(str, row)) for row in bits))
    Image.fromarray(grey > 127).save(os.path.join(READ, 'p4.pbm'))
    write('p6-comments.ppm', f'P6 # one\n#two\n{W}# three\n {H} #four\n255\n', rgb.tobytes())
    write('p6-tabs.ppm', f'P6\t{W}\r{H}\x0c255 ', rgb.tobytes(), 'more')
    write('p3-comments.ppm', f'P3\n{W} {H}\n255\n', plain(rgb[:5]), '# between 1 2 3\n', plain(rgb[5:]))
    for largest in [1, 7, 100, 254, 255, 256, 1000, 4095, 65535]:
        colours = rgb.astype(int) * largest // 255
        write(f'p6-{largest}.ppm', f'P6\n{W} {H}\n{largest}\n', colours.astype('u1' if largest < 256 else '>u2').tobytes())
        write(f'p3-{largest}.ppm', f'P3\n{W} {H}\n{largest}\n', plain(colours))
        if largest < 256:
            write(f'p5-{largest}.pgm', f'P5\n{W} {H}\n{largest}\n', colours[..., 0].astype('u1').tobytes())
            write(f'p2-{largest}.pgm', f'P2\n{W} {H}\n{largest}\n', plain(colours[..., 0]))
    write('p5-over.pgm', f'P5\n{W} {H}\n100\n', grey.tobytes())


def others(image):
    flat = Image.new('P', (W, H))
    flat.putpalette([value for i in range(256) for value in (i * 13 % 256, i * 37 % 256, 255 - i * 11 % 256)])
    for x in range(W):
        for y in range(H):
            flat.putpixel((x, y), 5 if 2 < x < 14 and 2 < y < 6 else x % 16 if y > 8 else 0)
    base, few, sixteen = (os.path.join(HERE, name) for name in ['base.png', 'few.png', 'sixteen.png'])
    image.save(base), flat.save(few), image.quantize(16).save(sixteen)
    read, refused = (lambda name: os.path.join(READ, name)), (lambda name: os.path.join(REFUSED, name))
    for command in [
        ['convert', few, '-compress', 'RLE', 'BMP3:' + read('rle8.bmp')], ['convert', sixteen, '-compress', 'RLE', 'BMP3:' + read('rle8-noise.bmp')],
        ['convert', base, 'BMP2:' + read('os2.bmp')], ['convert', few, 'BMP2:' + read('os2-palette.bmp')],
        ['convert', base, '-define', 'bmp:subtype=RGB565', read('565.bmp')], ['convert', base, '-define', 'bmp:subtype=RGB555', read('555.bmp')],
        ['convert', base, '-interlace', 'plane', read('magick-planes.tif')], ['convert', base, '-compress', 'Group4', read('magick-group4.tif')],
        ['convert', base, '-compress', 'jpeg', read('magick-jpeg.tif')], ['convert', base, '-type', 'Palette', read('magick-palette.tif')],
        ['convert', base, '-colorspace', 'Lab', refused('magick-lab.tif')], ['convert', base, '-colorspace', 'YCbCr', refused('magick-ycbcr.tif')],
        ['convert', base, '-depth', '32', refused('magick-32.tif')], ['convert', base, '-define', 'quantum:format=floating-point', '-depth', '32', refused('magick-float.tif')],
        ['vips', 'copy', base, refused('vips-zstd.tif') + '[compression=zstd,tile,tile-width=16,tile-height=16]'],
        ['vips', 'copy', base, read('vips-pyramid.tif') + '[compression=lzw,tile,pyramid,tile-width=16,tile-height=16]'],
        ['gdal_translate', '-q', '-co', 'COMPRESS=ZSTD', '-co', 'TILED=YES', '-co', 'BLOCKXSIZE=16', '-co', 'BLOCKYSIZE=16', base, refused('gdal-zstd.tif')],
        ['gdal_translate', '-q', '-ot', 'Float32', base, refused('gdal-float.tif')], ['gdal_translate', '-q', '-co', 'NBITS=12', '-ot', 'UInt16', base, refused('gdal-12-bits.tif')],
        *[['convert', base, refused('t.' + name)] for name in ['psd', 'hdr', 'ras', 'xpm', 'dpx', 'cin', 'miff', 'fits', 'mng', 'jng', 'heic', 'viff', 'xwd', 'pam']],
        ['cjxl', base, refused('t.jxl')],
    ]:
        subprocess.run(command, check=True, capture_output=True)
    for path in [base, few, sixteen]:
        os.remove(path)


def pixels():
    path = os.path.join(HERE, 'read.json')
    known = json.load(open(path)) if os.path.exists(path) else {}
    for name in sorted(os.listdir(READ)):
        try:
            picture = Image.open(os.path.join(READ, name))
            upright = ImageOps.exif_transpose(picture).convert('RGB')
            picture = picture.convert('RGB')
        except OSError:
            continue
        entry = lambda image: {'width': image.width, 'height': image.height, 'rgb': base64.b64encode(image.tobytes()).decode()}
        known[name] = {'pillow': Image.__version__, **entry(picture), **({'upright': entry(upright)} if name.startswith('orientation') and name.endswith('.avif') else {})}
    json.dump(dict(sorted(known.items())), open(path, 'w'), indent=1)


{'files': files, 'pixels': pixels}[sys.argv[1]]()
