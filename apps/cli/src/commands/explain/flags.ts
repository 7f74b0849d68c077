import type { CommandDefinition } from '../../command/command.js'
import { imagesArgument, jsonFlag, registryFlag } from '../../command/shared-flags.js'
import type { ExplainOptions } from './action.js'

export const explain: CommandDefinition = {
  name: 'explain',
  group: 'Images',
  text: 'show where in images the score of a class comes from',
  arguments: [{ ...imagesArgument, name: '<source>' }],
  flags: [
    {
      flag: '--model <name>',
      group: 'network',
      text: 'network, or a fine-tuned model: a folder, URL or registered name like pets@latest',
      required: true,
      complete: 'model',
    },
    {
      flag: '--weights <source>',
      group: 'network',
      text: 'weights: imagenet, random[:SEED], or a file or URL',
      value: 'imagenet',
      complete: 'weights',
    },
    {
      flag: '--prepare <name>',
      group: 'network',
      text: 'preparation of the images, where the weights do not say it',
      otherwise: 'as the weights say',
    },
    registryFlag,
    {
      flag: '--method <name>',
      group: 'running',
      text:
        'grad-cam, grad-cam++ and layer-cam look at a layer, gradient-x-input and saliency at pixels, ' +
        'occlusion covers places one by one',
      choices: ['grad-cam', 'grad-cam++', 'layer-cam', 'gradient-x-input', 'saliency', 'occlusion'],
      value: 'grad-cam',
    },
    {
      flag: '--layer <name>',
      group: 'network',
      text: 'layer with maps that grad-cam and its like look at',
      otherwise: 'the last one that is no pooling',
      complete: 'layer',
    },
    {
      flag: '--class <name>',
      group: 'input',
      text: 'class to explain, by name or number from 0; of several targets as species:cat, or weight_kg',
      otherwise: "each image's likeliest",
    },
    { flag: '--limit <number>', group: 'input', text: 'images to explain, the first ones', otherwise: 'all' },
    { flag: '--batch-size <number>', group: 'running', text: 'images computed at once', value: '4' },
    {
      flag: '--device <name>',
      group: 'running',
      text: 'device to compute on',
      choices: ['auto', 'cpu', 'cuda', 'webgpu'],
      value: 'cpu',
    },
    { flag: '--arrays', group: 'output', text: 'write each map as .npy too' },
    {
      flag: '--out <dest>',
      group: 'output',
      text: 'folder or s3://bucket/prefix for overlays (PNG), explanations.csv and report.html',
      required: true,
      complete: 'folder',
    },
    jsonFlag,
  ],
  examples: [
    'explain cat.jpg --model resnet50 --out ./why',
    'explain ./photos --model pets@latest --class cat --method grad-cam++ --limit 50 --out ./why-cat',
    'explain ./photos --model vgg16 --method occlusion --arrays --out s3://bucket/why',
  ],
  action: async (output, options: ExplainOptions, source: string | undefined) =>
    (await import('./action.js')).explainCommand(output, source!, options),
}
