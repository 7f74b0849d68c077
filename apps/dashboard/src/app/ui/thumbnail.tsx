import type { PicturePlace } from '@layermill/contracts'
import { useEffect, useState } from 'preact/hooks'
import { send } from '../core/api.js'
import { Icon } from './icons.js'

/** Pictures that were fetched, as blobs: an address of a picture cannot carry the token. The oldest go first. */
const pictures = new Map<string, Promise<string>>()
const kept = 400

async function load(path: string): Promise<string> {
  const response = await send(path)
  return URL.createObjectURL(await response.blob())
}

function picture(path: string): Promise<string> {
  const known = pictures.get(path)
  if (known !== undefined) return known
  const loading = load(path)
  pictures.set(path, loading)
  loading.catch(() => pictures.delete(path))
  const oldest = pictures.keys().next()
  if (pictures.size > kept && oldest.done !== true) {
    void pictures.get(oldest.value)?.then(
      url => URL.revokeObjectURL(url),
      () => undefined,
    )
    pictures.delete(oldest.value)
  }
  return loading
}

/** A run's image, small; a mark where it cannot be shown. */
export function Thumbnail({ run, part, name, alt = '' }: { run: string; part: PicturePlace; name: string; alt?: string }) {
  const path = `/v1/runs/${run}/thumbnail?part=${part}&key=${encodeURIComponent(name)}`
  const [url, setUrl] = useState<string>()
  useEffect(() => {
    let current = true
    setUrl(undefined)
    picture(path).then(
      found => {
        if (current) setUrl(found)
      },
      () => {
        if (current) setUrl('none')
      },
    )
    return () => {
      current = false
    }
  }, [path])
  if (url === undefined) return <span class="thumb" aria-hidden="true" />
  if (url === 'none')
    return (
      <span class="thumb none" role="img" aria-label="The image cannot be shown">
        <Icon name="picture" />
      </span>
    )
  return <img class="thumb" src={url} alt={alt} loading="lazy" />
}
