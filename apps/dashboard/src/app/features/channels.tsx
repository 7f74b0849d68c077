import type { Activations, ChannelDifferences } from '@layermill/contracts'
import { useEffect, useRef, useState } from 'preact/hooks'
import { count } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Card, ProblemNote, TableBox } from '../ui/parts.js'
import { Thumbnail } from '../ui/thumbnail.js'
import type { MapImage } from './use-feature-map.js'

type Channel = Activations['channels'][number]

/** Values of a channel over a picture: the stronger, the less of the picture is darkened, and the warmer. */
function Heat({ channel: { width, height, values } }: { channel: Channel }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (context === null || context === undefined) return
    const picture = context.createImageData(width, height)
    for (const [i, value] of values.entries())
      picture.data.set([40 + 215 * value, 30 + 110 * value, 60 - 40 * value, 170 - 110 * value], i * 4)
    context.putImageData(picture, 0, 0)
  }, [values])
  return <canvas ref={canvas} width={width} height={height} aria-hidden="true" />
}

/** Strongest channels of a layer over one of the run's pictures. */
export function PictureChannels({ run, layer, image: { part, key } }: { run: string; layer: string; image: MapImage }) {
  const query = `layer=${encodeURIComponent(layer)}&part=${part}&key=${encodeURIComponent(key)}`
  const { data, error } = usePolled<Activations>(`/v1/runs/${run}/activations?${query}`, 0)
  if (error !== undefined) return <ProblemNote error={error} />
  if (data === undefined) return null
  return (
    <Card
      title="Strongest channels"
      aside={
        <span class="muted">
          of {layer}, bright where they answer to {key.split('/').at(-1)}
        </span>
      }
    >
      <ul class="sheet">
        {data.channels.map(channel => (
          <li key={channel.channel}>
            <span class="channel">
              <Thumbnail run={run} part={part} name={key} alt={`Channel ${channel.channel} over ${key}`} />
              <Heat channel={channel} />
            </span>
            <span>
              channel {channel.channel} <span class="muted">up to {channel.peak.toPrecision(3)}</span>
            </span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Differences({ run, layer }: { run: string; layer: string }) {
  const { data, error } = usePolled<ChannelDifferences>(`/v1/runs/${run}/differences?layer=${encodeURIComponent(layer)}`, 0)
  if (error !== undefined) return <ProblemNote error={error} />
  if (data === undefined)
    return (
      <p class="muted" role="status">
        Reading features …
      </p>
    )
  return (
    <>
      <p class="muted map-note">
        Mean in the class against the mean of all others, in standard deviations; {count(data.images)} images spread over the run.
      </p>
      <TableBox label="Channels in which classes differ">
        <thead>
          <tr>
            <th scope="col">Class</th>
            <th scope="col" class="n">
              Images
            </th>
            <th scope="col">Channels, those that differ most first</th>
          </tr>
        </thead>
        <tbody>
          {data.classes.map(({ label, images, channels }) => (
            <tr key={label}>
              <th scope="row">{label}</th>
              <td class="n">{images}</td>
              <td>
                {channels.map(({ channel, difference, mean, others }) => (
                  <span key={channel} class="nowrap" title={`mean ${mean.toPrecision(3)}, others ${others.toPrecision(3)}`}>
                    {channel} <b>{`${difference < 0 ? '−' : '+'}${Math.abs(difference).toFixed(2)}`}</b>{' '}
                  </span>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </TableBox>
    </>
  )
}

/** How a layer's channels differ between the classes, once it is asked for. */
export function ClassChannels({ run, layer }: { run: string; layer: string }) {
  const [open, setOpen] = useState(false)
  return (
    <Card title="What tells the classes apart" aside={<span class="muted">channels of {layer}</span>}>
      {open ? (
        <Differences run={run} layer={layer} />
      ) : (
        <button type="button" onClick={() => setOpen(true)}>
          Compare the classes
        </button>
      )}
    </Card>
  )
}
