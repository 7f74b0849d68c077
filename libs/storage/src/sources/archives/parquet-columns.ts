import { LayermillError } from '@layermill/core'
import { type FileMetaData, parquetSchema, type SchemaElement, type SchemaTree } from 'hyparquet'
import { labelColumns, pathColumns, splitColumn } from '../columns.js'

/** A column's path in the schema: its name, and for a field of a struct that field's. */
export type ColumnPath = readonly string[]

/** Which columns hold what. */
export interface ImageColumns {
  readonly image: ColumnPath
  readonly name?: ColumnPath | undefined
  /** One, or those that were asked for. */
  readonly labels: readonly LabelColumn[]
  readonly split?: ColumnPath | undefined
}

/** A column of labels, one value an image or a list of them. */
export interface LabelColumn {
  /** Of its values in the schema. */
  readonly path: ColumnPath
  /** Of its values in a row as it is read: a list's is that of the whole column. */
  readonly at: ColumnPath
  /** The names of classes that its integers stand for. */
  readonly classes?: readonly string[] | undefined
}

/** Names that say that a column holds images, likelier ones first. */
const imageNames = [
  'image',
  'img',
  'picture',
  'photo',
  'jpg',
  'jpeg',
  'png',
  'webp',
  'image_bytes',
  'img_bytes',
  'bytes',
  'content',
  'data',
]
const nameNames = ['path', 'file_name', 'filename', 'image_path', '__key__']

/**
 * Finds the column of images (a binary one, or a struct with binary `bytes`, as Hugging Face writes them), of their names and labels.
 *
 * @param where the file, for errors
 * @param labels names of the columns of labels, where they are not the usual one
 * @throws LayermillError `SOURCE_KIND` naming the columns where none, or none alone, can be that of images
 */
export function imageColumns(metadata: FileMetaData, where: string, labels?: readonly string[]): ImageColumns {
  const columns = parquetSchema(metadata).children
  const features = huggingFaceFeatures(metadata)
  const binary = columns.flatMap(column => {
    const leaf = isBinary(column) ? column : column.element.repetition_type === 'REPEATED' ? undefined : fieldOf(column, 'bytes', isBinary)
    return leaf === undefined ? [] : [{ column, leaf }]
  })
  const declared = binary.filter(({ column }) => features.get(column.element.name)?._type === 'Image')
  const named = imageNames.flatMap(name => binary.filter(({ column }) => column.element.name.toLowerCase() === name))
  const [found] = [...declared, ...named]
  const chosen = found ?? (binary.length === 1 ? binary[0] : undefined)
  if (chosen === undefined) {
    const list = columns.map(column => `${column.element.name} (${typeName(column)})`).join(', ')
    throw new LayermillError(
      'SOURCE_KIND',
      `${where}: ${binary.length === 0 ? 'no column' : 'no single column'} holds images; its columns are ${list}`,
      {
        hint:
          binary.length === 0 && isTableOfPaths(columns)
            ? 'It looks like a list of paths: write it as .csv or .jsonl, which lists are read from.'
            : `Images are a binary column, or a struct with binary "bytes"; of several the one is taken that is named ${imageNames.slice(0, 5).join(', ')} ...`,
      },
    )
  }
  const { column, leaf } = chosen
  const plain = columns.filter(other => other !== column && other.children.length === 0 && other.element.repetition_type !== 'REPEATED')
  const byName = (names: readonly string[]): SchemaTree | undefined =>
    names.map(name => plain.find(other => other.element.name.toLowerCase() === name)).find(other => other !== undefined)
  const marks = columns.flatMap(other => (other === column ? [] : labelColumn(other, features.get(other.element.name)?.names)))
  const markOf = (name: string): LabelColumn | undefined => marks.find(({ path: [own = ''] }) => own.toLowerCase() === name.toLowerCase())
  const missing = labels?.find(name => markOf(name) === undefined)
  if (missing !== undefined) {
    const list = marks.map(({ path: [own] }) => own).join(', ')
    throw new LayermillError('SOURCE_KIND', `${where}: no column ${missing} that holds labels; there are ${list}`)
  }
  const usual = labelColumns.map(markOf).find(mark => mark !== undefined)
  return {
    image: leaf.path,
    name: (fieldOf(column, 'path', isText) ?? byName(nameNames))?.path,
    labels: labels?.map(name => markOf(name)!) ?? (usual === undefined ? [] : [usual]),
    split: byName([splitColumn])?.path,
  }
}

/** A column that holds one value an image, or a list of them; none for any other. */
function labelColumn(column: SchemaTree, classes: readonly string[] | undefined): LabelColumn[] {
  if (column.children.length === 0 && column.element.repetition_type !== 'REPEATED')
    return [{ path: column.path, at: column.path, classes }]
  const [group] = column.children
  const [leaf] = group?.children ?? []
  const isList = (column.element.converted_type ?? column.element.logical_type?.type) === 'LIST' && leaf?.children.length === 0
  return isList ? [{ path: leaf.path, at: column.path, classes }] : []
}

function isTableOfPaths(columns: readonly SchemaTree[]): boolean {
  return columns.some(column => pathColumns.includes(column.element.name.toLowerCase()) && isText(column))
}

/** The same file with these columns alone. Of statistics, which may be long, only the number of nulls is kept. */
export function projected(metadata: FileMetaData, paths: readonly ColumnPath[]): FileMetaData {
  const wanted = new Set(paths.map(path => JSON.stringify(path)))
  const prune = (tree: SchemaTree): SchemaElement[] => {
    if (tree.children.length === 0) return wanted.has(JSON.stringify(tree.path)) ? [tree.element] : []
    const children = tree.children.map(prune).filter(elements => elements.length > 0)
    return children.length === 0 ? [] : [{ ...tree.element, num_children: children.length }, ...children.flat()]
  }
  return {
    version: metadata.version,
    num_rows: metadata.num_rows,
    metadata_length: metadata.metadata_length,
    schema: prune(parquetSchema(metadata)),
    row_groups: metadata.row_groups.map(group => ({
      num_rows: group.num_rows,
      total_byte_size: group.total_byte_size,
      columns: group.columns.flatMap(chunk => {
        if (chunk.meta_data === undefined || !wanted.has(JSON.stringify(chunk.meta_data.path_in_schema))) return []
        const { statistics, encoding_stats: _encodings, ...meta } = chunk.meta_data
        const nulls = statistics?.null_count
        return [{ ...chunk, meta_data: nulls === undefined ? meta : { ...meta, statistics: { null_count: nulls } } }]
      }),
    })),
  }
}

const isLeafOf = ({ element, children }: SchemaTree): boolean =>
  children.length === 0 && element.type === 'BYTE_ARRAY' && element.repetition_type !== 'REPEATED'

const isBinary = (tree: SchemaTree): boolean =>
  isLeafOf(tree) && tree.element.converted_type === undefined && tree.element.logical_type === undefined

const isText = (tree: SchemaTree): boolean => isLeafOf(tree)

function fieldOf(tree: SchemaTree, name: string, fits: (field: SchemaTree) => boolean): SchemaTree | undefined {
  return tree.children.find(field => field.element.name === name && fits(field))
}

function typeName({ element, children }: SchemaTree): string {
  if (children.length > 0) return `a group of ${children.map(child => child.element.name).join(', ')}`
  const { logical_type: logical, converted_type: converted, type } = element
  return (logical?.type ?? converted ?? type ?? 'unknown').toLowerCase()
}

interface Feature {
  readonly _type?: unknown
  readonly names?: readonly string[]
}

interface NotedFeature {
  readonly _type?: unknown
  readonly names?: unknown
  readonly feature?: { readonly names?: unknown }
}

/** Features of columns that the `datasets` library notes. Empty where the note is not there or not as expected. */
function huggingFaceFeatures(metadata: FileMetaData): Map<string, Feature> {
  const features = new Map<string, Feature>()
  try {
    const noted = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value ?? '{}'
    const { info } = JSON.parse(noted) as { info?: { features?: Record<string, NotedFeature> } }
    for (const [name, { _type, names, feature }] of Object.entries(info?.features ?? {})) {
      // A sequence states its items' names one field below.
      const own = names ?? feature?.names
      const valid = Array.isArray(own) && own.every((value): value is string => typeof value === 'string')
      features.set(name, valid ? { _type, names: own } : { _type })
    }
  } catch {
    return new Map()
  }
  return features
}
