import type { Preparation, ResizeRule, ResizeTarget, Size2 } from '../graph.js'

/** Width first, as everywhere that people read sizes. */
const sizeText = ([height, width]: Size2): string => `${width}x${height}`

function targetText(to: ResizeTarget): string {
  if (to.by === 'none') return 'not resized'
  if (to.by === 'own') return `its own size, down to multiples of ${to.multiple}`
  if (to.by === 'between') return `short side ${to.side}, long side at most ${to.longest}, down to multiples of ${to.multiple}`
  if (to.by === 'long') return `long side ${to.side}`
  if (to.by === 'short') {
    const longest = to.longest === undefined ? '' : `, long side at most ${to.longest}`
    const down = to.down === undefined ? '' : `, down to multiples of ${to.down}`
    return `short side ${to.side}${longest}${to.multiple === undefined ? '' : `, in multiples of ${to.multiple}`}${down}`
  }
  const words = { size: 'to', within: 'within', cover: 'to cover', contain: 'into', near: 'near' }[to.by]
  return `${words} ${sizeText(to.size)}${to.by === 'near' ? `, in multiples of ${to.multiple}` : ''}`
}

function ruleText({ before, to, crop, pad }: ResizeRule): string {
  const first = before === undefined ? '' : `centre of ${before.join(' by ')} of the short side, `
  const cut = crop === undefined ? '' : `, centre ${sizeText(crop.size)}`
  return `${first}${targetText(to)}${cut}${pad === undefined ? '' : `, zeros up to ${sizeText(pad)}`}`
}

function resizeText(resize: Preparation['resize']): string {
  if (resize.kind === 'exact') return 'to the size'
  if (resize.kind === 'crop') return `short side ${resize.shortSide} for 224, centre`
  return resize.kind === 'share' ? `short side of the size / ${resize.share}, centre` : ruleText(resize)
}

/** In words: `BGR - (103.939, 116.779, 123.68), to the size, bicubic`. */
export function describePreparation({ channels, divisor, mean, std, again = [], resize, resample }: Preparation): string {
  const scaled = `${channels.toUpperCase()}${divisor === 1 ? '' : ` / ${divisor}`} - (${mean.join(', ')})`
  const divided = std.every(value => value === 1) ? '' : `, / (${std.join(', ')})`
  const rest = again.map(step => `, - (${step.mean.join(', ')}), / (${step.std.join(', ')})`).join('')
  return `${scaled}${divided}${rest}; ${resizeText(resize)}, ${resample}`
}
