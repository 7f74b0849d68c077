/** A cell of a CSV file (RFC 4180). */
const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** Sources that are a place with the images below it: there an image's path is the place and its key. */
const isFolder = (source: string): boolean => !/\.(txt|csv|tsv|jsonl|ndjson|parquet|tar|zip|tgz|gz|npz)$|[*?[{]/i.test(source)

/** A list of images that `--source` takes: their paths, and a label where they have or get one. */
export function listFile(source: string, images: readonly { readonly key: string; readonly label?: string | undefined }[]): string {
  const root = isFolder(source) ? `${source.replace(/\/+$/, '')}/` : ''
  const labelled = images.some(({ label }) => label !== undefined)
  const lines = images.map(({ key, label }) => [`${root}${key}`, ...(labelled ? [label ?? ''] : [])].map(cell).join(','))
  return `${[labelled ? 'path,label' : 'path', ...lines].join('\n')}\n`
}
