/** A small curve of the latest values, from 0 up. */
export function Sparkline({
  values,
  label,
  width = 96,
  height = 24,
}: {
  values: readonly number[]
  label: string
  width?: number
  height?: number
}) {
  if (values.length < 2) return <svg class="spark" width={width} height={height} aria-hidden="true" />
  const top = Math.max(...values, 1e-9)
  const points = values.map(
    (value, i) => `${((i / (values.length - 1)) * (width - 4) + 2).toFixed(1)},${(height - 3 - (value / top) * (height - 6)).toFixed(1)}`,
  )
  const [x, y] = (points.at(-1) ?? '0,0').split(',')
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      <polygon points={`2,${height} ${points.join(' ')} ${width - 2},${height}`} />
      <polyline points={points.join(' ')} />
      <circle cx={x} cy={y} r="2" />
    </svg>
  )
}
