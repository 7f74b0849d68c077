import type { Size2 } from '@layermill/models'
import { definitions, escapeHtml, page } from '@layermill/orchestrator/results'
import { encodePng, overlayMap, resizeImage, type RgbImage } from '@layermill/preprocess'

/** Images in a report: some 40 kB each. */
const mostCards = 200
/** Longer side of a picture in the report, in pixels. */
const longerSide = 160

interface Shown {
  readonly key: string
  readonly label: string
  /** 0..1. */
  readonly probability: number
  readonly picture: RgbImage
  /** Values from -1 to 1 for each pixel; undefined where nothing speaks for the class. */
  readonly shown: Float64Array | undefined
}

const inline = async (image: RgbImage): Promise<string> => `data:image/png;base64,${Buffer.from(await encodePng(image)).toString('base64')}`

/** A page with the pictures and what speaks for their classes, side by side. */
export class ExplainReport {
  private readonly cards: string[] = []
  private left = 0

  /** @param size height and width of the pictures */
  constructor(private readonly size: Size2) {}

  async add({ key, label, probability, picture, shown }: Shown): Promise<void> {
    if (this.cards.length >= mostCards) {
      this.left++
      return
    }
    const scale = Math.min(1, longerSide / Math.max(...this.size))
    const [height, width] = this.size.map(side => Math.max(1, Math.round(side * scale))) as [number, number]
    const small = async (image: RgbImage): Promise<string> => inline(await resizeImage(image, width, height, 'bilinear'))
    const over =
      shown === undefined ? '<span class="gone">no evidence</span>' : `<img alt="" src="${await small(overlayMap(picture, shown))}">`
    this.cards.push(
      `<div><img alt="" src="${await small(picture)}">${over}` +
        `${escapeHtml(label)} ${(probability * 100).toFixed(1)}%<small>${escapeHtml(key)}</small></div>`,
    )
  }

  html(facts: readonly (readonly [string, string])[]): string {
    const more = this.left === 0 ? '' : `<p class="soft">and ${this.left} more: explanations.csv has them all.</p>`
    return page(
      'Why',
      `<p>Warm colours speak for the class, cold ones against it. A map is as coarse as the layer it is of.</p>
<div class="mistakes">${this.cards.join('\n')}</div>${more}
<h2>Settings</h2>${definitions('facts', facts)}`,
    )
  }
}
