import type { RunDetail } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { count } from '../core/format.js'
import { Card } from '../ui/parts.js'
import { Thumbnail } from '../ui/thumbnail.js'
import { listFile } from './list-file.js'
import type { MapImage } from './use-feature-map.js'

const shown = 24

function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }))
  const anchor = Object.assign(document.createElement('a'), { href: url, download: name })
  anchor.click()
  // The browser has begun the download by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/** Images of a lasso: some of them, and all as a list that `--source` takes, with their labels or as a class of their own. */
export function Lassoed({ run, images, onClear }: { run: RunDetail; images: readonly MapImage[]; onClear: () => void }) {
  const [label, setLabel] = useState('')
  const labelled = label.trim() === '' ? images : images.map(image => ({ ...image, label: label.trim() }))
  return (
    <Card title="In the lasso" aside={<span class="muted">{count(images.length)} images</span>}>
      <div class="sheet-tools">
        <label class="in-line">
          As a class of its own{' '}
          <input
            type="text"
            value={label}
            maxLength={100}
            placeholder="their own labels"
            onInput={event => setLabel(event.currentTarget.value)}
          />
        </label>
        <button type="button" class="primary" onClick={() => save(`${run.id}-list.csv`, listFile(run.source, labelled))}>
          Save as a list
        </button>
        <button type="button" onClick={onClear}>
          Let go
        </button>
      </div>
      <ul class="sheet">
        {images.slice(0, shown).map(({ part, key, label: own }) => (
          <li key={`${part}/${key}`}>
            <Thumbnail run={run.id} part={part} name={key} alt={key} />
            <span class="mono" title={key}>
              {key.split('/').at(-1)}
            </span>
            {own === undefined ? null : <span class="muted">{own}</span>}
          </li>
        ))}
      </ul>
      {images.length > shown ? <p class="muted map-note">The first {shown} of them; the list has all.</p> : null}
    </Card>
  )
}
