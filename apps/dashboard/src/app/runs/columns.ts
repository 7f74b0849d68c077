/** Facts of a run that the list shows besides those that it always does. */
export const columnNames = ['accuracy', 'layers', 'seconds', 'notes', 'out'] as const
export type ColumnName = (typeof columnNames)[number]

const storageKey = 'layermill.columns'

/** Columns of one's choice, as this browser keeps them. */
export function keptColumns(): readonly ColumnName[] {
  const kept = localStorage.getItem(storageKey)
  return kept === null ? ['accuracy', 'layers'] : columnNames.filter(name => kept.split(',').includes(name))
}

export function keepColumns(columns: readonly ColumnName[]): void {
  localStorage.setItem(storageKey, columns.join(','))
}
