import { readdirSync, readFileSync } from 'node:fs'
import { LayermillError, receivedCode } from './errors.js'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { classify, errorsMarkdown, failureClass } from './failure-codes.js'
import { type ErrorCode, isErrorCode } from './failure-table.js'

const root = new URL('../../../../', import.meta.url)

/** Source files below a folder, tests and compiled files left out. */
function sources(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
    .filter(name => /(^|\/)src\/.*\.ts$/.test(name) && !/node_modules|\/testing\/|\.test\.ts$/.test(name))
    .map(name => `${folder}/${name}`)
}

/** Codes in the first argument of LayermillError's constructor, or of a helper whose first argument is a code. */
function thrownCodes(source: string): string[] {
  const arguments_ = [...source.matchAll(/LayermillError\(([^,]{1,300}),/g)].map(match => match[1] ?? '')
  const helpers = [...source.matchAll(/\b(?:fail|refuse|problem|error|failure)\w*\(\s*('[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+')/g)].map(
    match => match[1] ?? '',
  )
  return [...arguments_, ...helpers].flatMap(text => [...text.matchAll(/'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'/g)].map(match => match[1] ?? ''))
}

describe('the table of failure codes', () => {
  it('knows every code that the sources throw', () => {
    const files = ['libs', 'apps'].flatMap(folder => sources(folder))
    expect(files.length).toBeGreaterThan(20)
    const missing = files.flatMap(file =>
      thrownCodes(readFileSync(new URL(file, root), 'utf8'))
        .filter(code => failureClass(code) === undefined && !code.startsWith('FST_'))
        .map(code => `${code} (${file})`),
    )
    expect(missing).toEqual([])
  })

  it('finds codes where they are thrown', () => {
    expect(thrownCodes(`new LayermillError('A_B', x); new LayermillError(y ? 'C_D' : 'E_F', x); refuse('G_H', x)`)).toEqual([
      'A_B',
      'C_D',
      'E_F',
      'G_H',
    ])
  })

  it('is docs/errors.md', () => {
    expect(readFileSync(new URL('docs/errors.md', root), 'utf8')).toBe(errorsMarkdown())
  })
})

describe('classify', () => {
  it('keeps the code of an error', () => {
    expect(classify(new LayermillError('IMAGE_CORRUPT', 'a.jpg: bad'))).toMatchObject({
      code: 'IMAGE_CORRUPT',
      retry: 'never',
      scope: 'image',
      message: 'a.jpg: bad',
    })
    expect(classify(Object.assign(new Error('x'), { code: 'ENOSPC' }))).toMatchObject({ retry: 'never', scope: 'run' })
  })

  it('looks into causes', () => {
    const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
    expect(classify(new TypeError('fetch failed', { cause: reset }))).toMatchObject({
      code: 'ECONNRESET',
      retry: 'backoff',
      message: 'fetch failed',
    })
    expect(classify(Object.assign(new Error('odd', { cause: reset }), { code: 'SOME_OTHER' }))).toMatchObject({ code: 'ECONNRESET' })
    const ring = new Error('ring')
    ring.cause = ring
    expect(classify(ring).code).toBe('UNEXPECTED')
  })

  it('takes whatever is thrown and hides credentials', () => {
    expect(classify('text')).toMatchObject({ code: 'UNEXPECTED', retry: 'backoff', scope: 'part', message: 'text' })
    expect(classify(undefined).code).toBe('UNEXPECTED')
    expect(classify(Object.assign(new Error('x'), { code: 'constructor' })).code).toBe('UNEXPECTED')
    expect(classify(new Error('at redis://u:secret@h')).message).toBe('at redis://***@h')
  })
})

describe('a code of an error', () => {
  it('is one of the table: a misspelt one does not compile', () => {
    type Accepted = ConstructorParameters<typeof LayermillError>[0]
    expectTypeOf<'IMAGE_CORRUPT'>().toExtend<Accepted>()
    expectTypeOf<'IMAGE_CORUPT'>().not.toExtend<Accepted>()
    expectTypeOf<string>().not.toExtend<Accepted>()
    expectTypeOf<'IMAGE_CORUPT'>().not.toExtend<ErrorCode>()
  })

  it('passes as it is where another process named it', () => {
    expect(new LayermillError(receivedCode('OF_A_NEWER_VERSION'), 'x').code).toBe('OF_A_NEWER_VERSION')
    expect(['IMAGE_CORRUPT', 'ENOENT', 'IMAGE_CORUPT', 'constructor'].map(isErrorCode)).toEqual([true, true, false, false])
  })
})
