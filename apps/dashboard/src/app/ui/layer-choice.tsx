/** Choice of one of a run's layers; nothing where there is one alone. */
export function LayerChoice({
  layers,
  value,
  onChange,
}: {
  layers: readonly { readonly name: string }[]
  value: string | undefined
  onChange: (layer: string) => void
}) {
  if (layers.length < 2) return null
  return (
    <label>
      Layer{' '}
      <select value={value} onChange={event => onChange(event.currentTarget.value)}>
        {layers.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  )
}
