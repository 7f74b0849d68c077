import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import sharp from 'sharp'
import { textPath, textWidth } from './stroke-font.js'

export interface Neighbour {
  readonly path: string
  /** Likeness to the row's image, at most 1 (cosine). */
  readonly score: number
}

/** One row: an image, then those nearest to it, best first. Images are paths of files. */
export interface ContactSheetRow {
  readonly image: string
  readonly neighbours: readonly Neighbour[]
}

/** A square cell, in pixels: the thumbnail, and below it two lines of text. */
const cell = { side: 128, caption: 32, gap: 8 }

/** Size of the letters in the picture, in pixels. */
const fontSize = 11

const colours = { paper: '#ffffff', ink: '#222222', muted: '#666666', query: '#1f6feb' }

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

/** A square JPEG cut from the middle of the image. */
async function thumbnail(file: string): Promise<Buffer> {
  return await sharp(file)
    .resize(cell.side, cell.side, { fit: 'cover' })
    .flatten({ background: colours.paper })
    .jpeg({ quality: 82 })
    .toBuffer()
}

/** Every image of the rows once, however often it appears. */
async function thumbnails(rows: readonly ContactSheetRow[]): Promise<Map<string, Buffer>> {
  const files = new Set(rows.flatMap(row => [row.image, ...row.neighbours.map(neighbour => neighbour.path)]))
  return new Map(await Promise.all([...files].map(async file => [file, await thumbnail(file)] as const)))
}

interface Cell {
  readonly file: string
  readonly name: string
  readonly score: string
  readonly isQuery: boolean
}

function cellsOf(row: ContactSheetRow): Cell[] {
  const neighbours = row.neighbours.map(({ path: file, score }) => ({
    file,
    name: path.basename(file),
    score: score.toFixed(3),
    isQuery: false,
  }))
  return [{ file: row.image, name: path.basename(row.image), score: '', isQuery: true }, ...neighbours]
}

function html(rows: readonly ContactSheetRow[], images: ReadonlyMap<string, Buffer>, title: string): string {
  const figure = ({ file, name, score, isQuery }: Cell): string => {
    const data = images.get(file)?.toString('base64') ?? ''
    return `<figure${isQuery ? ' class="query"' : ''}><img src="data:image/jpeg;base64,${data}" alt="${escapeXml(name)}"><figcaption>${escapeXml(name)}<br>${score}</figcaption></figure>`
  }
  const sections = rows.map(row => `<section>${cellsOf(row).map(figure).join('')}</section>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>
body { margin: 24px; font: 12px system-ui, sans-serif; color: ${colours.ink}; background: ${colours.paper} }
section { display: flex; flex-wrap: wrap; gap: ${cell.gap}px; margin-bottom: 16px }
figure { margin: 0; width: ${cell.side}px }
img { display: block; width: ${cell.side}px; height: ${cell.side}px; border-radius: 4px }
.query { margin-right: 16px }
.query img { outline: 3px solid ${colours.query} }
figcaption { overflow-wrap: anywhere; color: ${colours.muted}; padding-top: 4px }
</style>
</head>
<body>
<h1>${escapeXml(title)}</h1>
<p>Each row: an image (outlined), then the images nearest to it with their likeness.</p>
${sections.join('\n')}
</body>
</html>
`
}

/** Places everything in one SVG, which sharp renders: one place for pictures and text, which is drawn as lines and needs no fonts. */
function svg(rows: readonly ContactSheetRow[], images: ReadonlyMap<string, Buffer>): string {
  const columns = Math.max(0, ...rows.map(row => row.neighbours.length + 1))
  const columnWidth = cell.side + cell.gap
  const rowHeight = cell.side + cell.caption + cell.gap
  const cells = rows.flatMap((row, r) =>
    cellsOf(row).map(({ file, name, score, isQuery }, c) => {
      // The query stands a little apart from its neighbours.
      const x = cell.gap + c * columnWidth + (c > 0 ? cell.gap : 0)
      const y = cell.gap + r * rowHeight
      const data = images.get(file)?.toString('base64') ?? ''
      const picture = `<image x="${x}" y="${y}" width="${cell.side}" height="${cell.side}" href="data:image/jpeg;base64,${data}"/>`
      const frame = `<rect x="${x - 1.5}" y="${y - 1.5}" width="${cell.side + 3}" height="${cell.side + 3}" fill="none" stroke="${colours.query}" stroke-width="3"/>`
      const line = (text: string, down: number, colour: string): string =>
        textPath(text, { x, y: y + cell.side + down, size: fontSize, colour })
      const text = line(shorten(name), 14, colours.ink) + line(score, 27, colours.muted)
      return picture + (isQuery ? frame : '') + text
    }),
  )
  const width = columns * columnWidth + cell.gap * 2
  const height = rows.length * rowHeight + cell.gap
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="${colours.paper}"/>${cells.join('')}</svg>`
}

/** As much of a file's name as fits below a thumbnail. */
function shorten(name: string): string {
  if (textWidth(name, fontSize) <= cell.side) return name
  const letters = Array.from(name)
  while (letters.length > 0 && textWidth(`${letters.join('')}…`, fontSize) > cell.side) letters.pop()
  return `${letters.join('')}…`
}

/**
 * Writes OUT.html, which needs no other file, and OUT.png, the same as a picture. At least one row is needed.
 *
 * @param out path of both files, without extension; the folder must exist
 * @returns the two paths
 */
export async function contactSheet(
  rows: readonly ContactSheetRow[],
  out: string,
  title = 'Nearest images',
): Promise<{ html: string; png: string }> {
  if (rows.length === 0) throw new RangeError('A contact sheet needs at least one row')
  const images = await thumbnails(rows)
  const files = { html: `${out}.html`, png: `${out}.png` }
  await writeFile(files.html, html(rows, images, title))
  // The document embeds its pictures, which makes it larger than what sharp takes by default.
  await sharp(Buffer.from(svg(rows, images)), { unlimited: true })
    .png()
    .toFile(files.png)
  return files
}
