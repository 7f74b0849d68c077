"""Makes cases.json: files that say how pictures are prepared, and what the libraries make of pictures.

Written with torch 2.13.0, torchvision 0.28.0, timm 1.0.29, transformers 5.18.0 and Pillow 12.3.0:
    python make.py ../prepare/images golden.json > cases.json
where golden.json has cases that are kept as they are.
"""
import hashlib, json, sys, tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

pictures, kept = Path(sys.argv[1]), json.load(open(sys.argv[2]))['cases']
usual = ['landscape.jpg', 'portrait-progressive.jpg', 'tiny.png']


def picture(name):
    file, *upright = name.split()
    image = Image.open(pictures / file)
    return (ImageOps.exif_transpose(image) if upright else image).convert('RGB')


def summary(values):
    values = np.ascontiguousarray(np.asarray(values, dtype='<f4'))
    return {'shape': list(values.shape), 'tensor': hashlib.sha256(values.tobytes()).hexdigest()}


def transformers_case(file, model_type=None, backend='pil'):
    from transformers import AutoImageProcessor
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / 'preprocessor_config.json').write_text(json.dumps(file))
        if model_type is not None:
            (Path(folder) / 'config.json').write_text(json.dumps({'model_type': model_type}))
        processor = AutoImageProcessor.from_pretrained(folder, backend=backend)
    return lambda image: np.asarray(processor(image)['pixel_values'][0])


def timm_case(file, test_size=False):
    from timm.data import create_transform, resolve_data_config
    config = file.get('pretrained_cfg', file)
    transform = create_transform(**resolve_data_config(pretrained_cfg=config, use_test_size=test_size))
    return lambda image: transform(image).numpy()


IMAGENET = {'image_mean': [0.485, 0.456, 0.406], 'image_std': [0.229, 0.224, 0.225]}

TRANSFORMERS = {
    # The class's own defaults.
    **{f'{name}-silent': {'image_processor_type': f'{name}ImageProcessor'} for name in [
        'Beit', 'Bit', 'Blip', 'Chameleon', 'ChineseCLIP', 'CLIP', 'ConvNext', 'DeiT', 'DPT', 'EfficientNet', 'Flava', 'Levit', 'Llava',
        'MobileNetV1', 'MobileNetV2', 'MobileViT', 'OwlViT', 'Perceiver', 'PoolFormer', 'PPChart2Table', 'Pvt', 'Sam', 'Segformer',
        'Siglip', 'TextNet', 'ViT']},
    # Detection, depth, pictures with texts.
    **{f'{name}-silent': {'image_processor_type': f'{name}ImageProcessor'} for name in [
        'ConditionalDetr', 'DeformableDetr', 'Detr', 'Gemma3', 'GLPN', 'GroundingDino', 'PromptDepthAnything', 'RTDetr', 'Vilt', 'Yolos']},
    'layoutlmv3': {'image_processor_type': 'LayoutLMv3ImageProcessor', 'apply_ocr': False},
    'detr-hub': {'feature_extractor_type': 'DetrFeatureExtractor', 'size': 200, 'max_size': 251, 'format': 'coco_detection', **IMAGENET},
    'detr-number': {'image_processor_type': 'DetrImageProcessor', 'size': 150},
    'detr-longest': {'image_processor_type': 'DetrImageProcessor', 'size': {'shortest_edge': 150, 'longest_edge': 190}},
    'detr-shortest-only': {'image_processor_type': 'DetrImageProcessor', 'size': {'shortest_edge': 150}},
    'detr-pad': {'image_processor_type': 'DetrImageProcessor', 'size': {'shortest_edge': 100, 'longest_edge': 170}, 'pad_size': {'height': 180, 'width': 190}},
    'detr-within': {'image_processor_type': 'DetrImageProcessor', 'size': {'max_height': 120, 'max_width': 201}, 'do_pad': False},
    'detr-crop-is-ignored': {'image_processor_type': 'DetrImageProcessor', 'size': {'height': 90, 'width': 80}, 'do_center_crop': True, 'crop_size': 50},
    'yolos-longest': {'image_processor_type': 'YolosImageProcessor', 'size': {'shortest_edge': 150, 'longest_edge': 190}},
    'rt-detr-normalize': {'image_processor_type': 'RTDetrImageProcessor', 'size': {'height': 96, 'width': 120}, 'do_normalize': True},
    'rt-detr-number': {'image_processor_type': 'RTDetrImageProcessor', 'size': 96},
    'glpn-divisor': {'image_processor_type': 'GLPNImageProcessor', 'size_divisor': 24, 'resample': 3},
    'glpn-normalize': {'image_processor_type': 'GLPNImageProcessor', 'do_normalize': True},
    'vilt-divisor': {'image_processor_type': 'ViltImageProcessor', 'size': {'shortest_edge': 100}, 'size_divisor': 16, 'resample': 2},
    # Old spellings.
    'levit-hub': {'feature_extractor_type': 'LevitFeatureExtractor', 'size': 224, 'resample': 3, **IMAGENET},
    'perceiver-hub': {'feature_extractor_type': 'PerceiverFeatureExtractor', 'do_center_crop': True, 'crop_size': 256, 'size': 224, 'resample': 3, **IMAGENET},
    'poolformer-hub': {'feature_extractor_type': 'PoolFormerFeatureExtractor', 'crop_pct': 0.95, 'size': 224, 'do_resize_and_center_crop': True, **IMAGENET},
    'dpt-hub': {'feature_extractor_type': 'DPTFeatureExtractor', 'size': 384, 'ensure_multiple_of': 32, 'keep_aspect_ratio': False, 'resample': 2},
    'segformer-hub': {'feature_extractor_type': 'SegformerFeatureExtractor', 'size': 128, 'reduce_labels': False, 'resample': 2, **IMAGENET},
    'deit-hub': {'feature_extractor_type': 'DeiTFeatureExtractor', 'size': 256, 'crop_size': 224, 'do_center_crop': True, 'resample': 3, **IMAGENET},
    'mobilenet-v1-hub': {'feature_extractor_type': 'MobileNetV1FeatureExtractor', 'crop_size': 192, 'size': 219, 'resample': 2},
    'siglip-number': {'image_processor_type': 'SiglipImageProcessor', 'size': 112},
    'swin-fast': {'image_processor_type': 'ViTImageProcessorFast', 'size': {'height': 192, 'width': 256}, 'resample': 3, **IMAGENET},
    # Flags that are off.
    'clip-no-normalize': {'image_processor_type': 'CLIPImageProcessor', 'do_normalize': False},
    'clip-no-rescale': {'image_processor_type': 'CLIPImageProcessor', 'do_rescale': False},
    'clip-levels': {'image_processor_type': 'CLIPImageProcessor', 'do_rescale': False, 'do_normalize': False},
    'clip-no-crop': {'image_processor_type': 'CLIPImageProcessor', 'do_center_crop': False},
    'clip-no-resize': {'image_processor_type': 'CLIPImageProcessor', 'do_resize': False, 'crop_size': 500},
    'vit-nothing': {'image_processor_type': 'ViTImageProcessor', 'do_resize': False, 'do_normalize': False},
    'convnext-no-resize': {'image_processor_type': 'ConvNextImageProcessor', 'do_resize': False},
    'mobilevit-rgb': {'image_processor_type': 'MobileViTImageProcessor', 'do_flip_channel_order': False, 'do_center_crop': False},
    'mobilevit-normalize-is-ignored': {'image_processor_type': 'MobileViTImageProcessor', 'do_normalize': True, 'size': 160, 'crop_size': 128},
    'perceiver-no-crop': {'image_processor_type': 'PerceiverImageProcessor', 'do_center_crop': False},
    'null-fields': {'image_processor_type': 'DeiTImageProcessor', 'size': None, 'crop_size': None, 'do_normalize': None, 'image_mean': None},
    'null-is-none': {'image_processor_type': 'DeiTImageProcessor', 'do_center_crop': None, 'do_normalize': None, 'image_mean': None, 'crop_size': None, 'size': 60},
    'poolformer-null': {'image_processor_type': 'PoolFormerImageProcessor', 'crop_pct': None, 'size': 100, 'crop_size': 90},
    'convnext-rectangle': {'image_processor_type': 'ConvNextImageProcessor', 'size': {'height': 224, 'width': 224}},
    'crop-edge': {'image_processor_type': 'CLIPImageProcessor', 'crop_size': {'shortest_edge': 224}},
    'segformer-crop': {'image_processor_type': 'SegformerImageProcessor', 'do_center_crop': True},
    'longest-only': {'image_processor_type': 'ViTImageProcessor', 'size': {'longest_edge': 224}},
    'mean-of-one': {'image_processor_type': 'ViTImageProcessor', 'image_mean': [0.5], 'image_std': [0.5]},
    'perceiver-edge': {'image_processor_type': 'PerceiverImageProcessor', 'size': {'shortest_edge': 224}},
    'convnext-384-crop-too': {'image_processor_type': 'ConvNextImageProcessor', 'do_center_crop': True, 'crop_size': 96},
    # Crops: larger than the picture, odd differences, rectangles.
    'crop-larger': {'image_processor_type': 'BitImageProcessor', 'size': {'shortest_edge': 100}, 'crop_size': {'height': 131, 'width': 300}},
    'crop-odd': {'image_processor_type': 'BitImageProcessor', 'size': {'shortest_edge': 157}, 'crop_size': {'height': 98, 'width': 110}},
    'crop-list': {'image_processor_type': 'BitImageProcessor', 'size': [150, 201], 'crop_size': [99, 77]},
    'perceiver-larger': {'image_processor_type': 'PerceiverImageProcessor', 'size': 96, 'crop_size': {'height': 80, 'width': 120}},
    'convnext-crop-too': {'image_processor_type': 'ConvNextImageProcessor', 'size': {'shortest_edge': 150}, 'do_center_crop': True, 'crop_size': {'height': 97, 'width': 120}},
    'dpt-pad': {'image_processor_type': 'DPTImageProcessor', 'size': {'height': 90, 'width': 77}, 'do_pad': True, 'size_divisor': 32},
    # Sizes.
    'longest': {'image_processor_type': 'CLIPImageProcessor', 'size': {'shortest_edge': 200, 'longest_edge': 259}, 'do_center_crop': False},
    'longest-crop': {'image_processor_type': 'CLIPImageProcessor', 'size': {'shortest_edge': 200, 'longest_edge': 259}, 'crop_size': 190},
    'within': {'image_processor_type': 'ViTImageProcessor', 'size': {'max_height': 120, 'max_width': 201}},
    'vit-shortest': {'image_processor_type': 'ViTImageProcessor', 'size': {'shortest_edge': 90}, 'resample': 3},
    'levit-rectangle': {'image_processor_type': 'LevitImageProcessor', 'size': {'height': 120, 'width': 99}, 'crop_size': 80},
    'levit-odd': {'image_processor_type': 'LevitImageProcessor', 'size': {'shortest_edge': 199}, 'crop_size': 199},
    'poolformer-square': {'image_processor_type': 'PoolFormerImageProcessor', 'size': {'height': 130, 'width': 130}, 'crop_size': 130, 'crop_pct': 0.87},
    'poolformer-rectangle': {'image_processor_type': 'PoolFormerImageProcessor', 'size': {'height': 130, 'width': 100}, 'crop_size': 99},
    'convnext-383': {'image_processor_type': 'ConvNextImageProcessor', 'size': {'shortest_edge': 383}, 'crop_pct': 0.95},
    'convnext-384': {'image_processor_type': 'ConvNextImageProcessor', 'size': {'shortest_edge': 384}, 'crop_pct': 0.95},
    'convnext-256': {'image_processor_type': 'ConvNextImageProcessor', 'size': 256, 'resample': 2},
    'dpt-aspect': {'image_processor_type': 'DPTImageProcessor', 'size': {'height': 140, 'width': 140}, 'keep_aspect_ratio': True, 'ensure_multiple_of': 14},
    'dpt-multiple': {'image_processor_type': 'DPTImageProcessor', 'size': {'height': 150, 'width': 133}, 'ensure_multiple_of': 14},
    'textnet-small': {'image_processor_type': 'TextNetImageProcessor', 'size': {'shortest_edge': 90}, 'size_divisor': 32},
    'sam-small': {'image_processor_type': 'SamImageProcessor', 'size': {'longest_edge': 130}, 'pad_size': {'height': 130, 'width': 140}},
    'pad': {'image_processor_type': 'ViTImageProcessor', 'size': {'height': 40, 'width': 50}, 'do_pad': True, 'pad_size': {'height': 60, 'width': 64}},
    # Values.
    'efficientnet-offset': {'image_processor_type': 'EfficientNetImageProcessor', 'rescale_factor': 1 / 127.5, 'rescale_offset': True, 'size': 99, 'do_normalize': False, 'include_top': False},
    'efficientnet-offset-top': {'image_processor_type': 'EfficientNetImageProcessor', 'rescale_factor': 1 / 127.5, 'rescale_offset': True, 'size': 99, 'image_std': [0.47853944, 0.4732864, 0.47434163]},
    'efficientnet-top-only': {'image_processor_type': 'EfficientNetImageProcessor', 'size': 99, 'do_normalize': False, 'image_std': [0.3, 0.4, 0.7]},
    'efficientnet-crop': {'image_processor_type': 'EfficientNetImageProcessor', 'do_center_crop': True, 'include_top': False, 'size': 301},
    'factor-1-127.5': {'image_processor_type': 'ViTImageProcessor', 'rescale_factor': 1 / 127.5, 'image_mean': [1, 1, 1], 'image_std': [1, 1, 1]},
    'factor-odd': {'image_processor_type': 'ViTImageProcessor', 'rescale_factor': 0.0037, 'size': 60},
    'one-mean': {'image_processor_type': 'ViTImageProcessor', 'image_mean': 0.45, 'image_std': 0.225, 'size': 60},
    # Filters.
    **{f'filter-{number}': {'image_processor_type': 'ViTImageProcessor', 'resample': number, 'size': 83} for number in range(6)},
    **{f'filter-{number}-crop': {'image_processor_type': 'BitImageProcessor', 'resample': number, 'size': 83, 'crop_size': 61} for number in (0, 1, 4, 5)},
}
# What the torchvision variant makes of them.
TENSORS = [
    'Beit-silent', 'Bit-silent', 'ConvNext-silent', 'DeiT-silent', 'EfficientNet-silent', 'Levit-silent', 'MobileNetV1-silent', 'MobileViT-silent',
    'Perceiver-silent', 'PoolFormer-silent', 'Segformer-silent', 'Siglip-silent', 'TextNet-silent', 'ViT-silent', 'clip-no-normalize',
    'clip-levels', 'efficientnet-offset-top', 'longest', 'within', 'dpt-multiple', 'filter-0', 'filter-1', 'filter-2', 'filter-3', 'filter-0-crop',
    'crop-larger', 'one-mean', 'factor-odd', 'convnext-crop-too', 'dpt-pad', 'sam-small', 'mobilevit-rgb', 'detr-longest', 'detr-pad',
    'yolos-longest', 'rt-detr-normalize', 'glpn-divisor', 'vilt-divisor']
TENSORS_ONLY = {
    'sam2': {'image_processor_type': 'Sam2ImageProcessor', 'size': {'height': 96, 'width': 120}},
    'sam2-silent': {'image_processor_type': 'Sam2ImageProcessor'},
}
# `processor_config.json` of newer versions holds it.
MODEL_TYPES = {
    'dinov2': {'do_normalize': True, 'do_center_crop': True, 'size': {'shortest_edge': 90}, 'crop_size': 80, **IMAGENET},
    'resnet': {'size': 112, 'crop_pct': 0.9, **IMAGENET},
    'swinv2': {'size': 64},
    'convnextv2': {'size': {'shortest_edge': 160}},
    'mobilevitv2': {'size': 70, 'crop_size': 64},
    'regnet': {'size': 90},
}


def timm_file(**fields):
    config = {'tag': 'in1k', 'input_size': [3, 224, 224], 'interpolation': 'bicubic', 'crop_pct': 0.875, 'crop_mode': 'center',
              'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225], **fields}
    return {'architecture': 'vit_tiny', 'num_classes': 10, 'pretrained_cfg': {key: value for key, value in config.items() if value != 'left out'}}


TIMM = {
    'squash-cut': timm_file(crop_mode='squash', crop_pct=0.9, input_size=[3, 160, 192]),
    'squash-whole': timm_file(crop_mode='squash', crop_pct=1.0, input_size=[3, 96, 96], interpolation='bilinear'),
    'border': timm_file(crop_mode='border', crop_pct=1.0, input_size=[3, 100, 131], mean=[0.5, 0.1, 0.4981]),
    'border-cut': timm_file(crop_mode='border', crop_pct=0.8, input_size=[3, 101, 101], interpolation='nearest'),
    'border-larger': timm_file(crop_mode='border', crop_pct=1.3, input_size=[3, 101, 90]),
    'rectangle-filter-is-ignored': timm_file(input_size=[3, 128, 225], interpolation='bicubic'),
    'rectangle-tall': timm_file(input_size=[3, 211, 96], crop_pct=0.93, interpolation='lanczos'),
    'share-above-one': timm_file(crop_pct=1.2, input_size=[3, 111, 111]),
    'odd-side': timm_file(input_size=[3, 165, 165], crop_pct=0.9),
    'box': timm_file(interpolation='box', input_size=[3, 97, 97]),
    'hamming': timm_file(interpolation='hamming', crop_pct=0.96),
    'nearest': timm_file(interpolation='nearest', input_size=[3, 97, 97]),
    'silent': timm_file(**{key: 'left out' for key in ['input_size', 'interpolation', 'crop_pct', 'crop_mode', 'mean', 'std']}),
    'unknown-mode': timm_file(crop_mode='none', input_size=[3, 64, 64]),
    'old-form': {'architecture': 'resnet10t', **timm_file(input_size=[3, 88, 88])['pretrained_cfg']},
}
TEST_SIZES = {
    'test-share': timm_file(test_input_size=[3, 120, 120], test_crop_pct=0.95, input_size=[3, 90, 90]),
    'test-same-share': timm_file(test_input_size=[3, 120, 140]),
    'test-none': timm_file(input_size=[3, 70, 70]),
}


def case(name, library, file, make, *arguments, **others):
    try:
        prepare = make(*arguments)
        pictures = {key: summary(prepare(picture(key))) for key in usual}
    except Exception as error:
        print(name, repr(error)[:150], file=sys.stderr)
        return {'name': name, 'library': library, 'file': file, **others, 'refused': True}
    return {'name': name, 'library': library, 'file': file, **others, 'pictures': pictures}


def cases():
    yield from kept
    for name, file in TRANSFORMERS.items():
        yield case(f'transformers-{name}', 'transformers', file, transformers_case, file)
    for name in TENSORS:
        yield case(f'transformers-{name}#torchvision', 'transformers', TRANSFORMERS[name], transformers_case, TRANSFORMERS[name], None, 'torchvision', tensors=True)
    for name, file in TENSORS_ONLY.items():
        yield case(f'transformers-{name}', 'transformers', file, transformers_case, file, None, 'torchvision')
    for name, file in MODEL_TYPES.items():
        yield case(f'transformers-type-{name}', 'transformers', file, transformers_case, file, name, modelType=name)
    nested = {'processor_class': 'CLIPProcessor', 'image_processor': {'image_processor_type': 'CLIPImageProcessor', 'size': {'shortest_edge': 70}, 'crop_size': 64}}
    yield case('transformers-nested', 'transformers', nested, transformers_case, nested['image_processor'])
    for name, file in TIMM.items():
        yield case(f'timm-{name}', 'timm', file, timm_case, file)
    wrapped = {'image_processor_type': 'TimmWrapperImageProcessor', **TIMM['odd-side']}
    yield case('transformers-timm-wrapper', 'transformers', wrapped, timm_case, wrapped)
    for name, file in TEST_SIZES.items():
        yield case(f'timm-{name}', 'timm', file, timm_case, file, True, testSize=True)


def presets():
    """All weights for classification, by name, with the values that a small picture has."""
    from torchvision.models import get_model_weights, list_models, quantization
    import torchvision
    found = {}
    for module in (torchvision.models, quantization):
        for model in list_models(module=module):
            for weights in get_model_weights(model):
                found[str(weights)] = summary(weights.transforms()(picture('tiny.png')).numpy())
    return found


json.dump({'cases': list(cases()), 'torchvision': presets()}, sys.stdout, separators=(',', ':'))
