import { Buffer } from 'node:buffer'
import { mulberry32 } from '@layermill/core'

export interface RawRequest {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: Buffer | string
}

const strings = [
  '',
  ' ',
  '\0',
  'null',
  '\u202Eevil',
  '😀'.repeat(50),
  'a'.repeat(5000),
  '../../etc/passwd',
  '${jndi:ldap://x}',
  "'; DROP TABLE runs; --",
  '%00',
  '-1',
  '1e999',
  'NaN',
  'redis://a:b@c',
  's3://',
  'file:///dev/zero',
  '__proto__',
  'constructor',
  'resnet50',
  'res4',
  '320x256',
  '1%',
  '101%',
  '{"a":1}',
  '<script>',
  '\r\nx: y',
  'extract',
  '\uD800',
  // Texts that can make regular expressions slow.
  'redis://'.repeat(600),
  'a'.repeat(4000) + '://',
  '?key='.repeat(800),
  ' '.repeat(4000) + 'x',
  '1,'.repeat(2000),
  'step:' + '9'.repeat(3000),
]
const atoms: unknown[] = [
  ...strings,
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  -1e308,
  Number.MAX_SAFE_INTEGER + 1,
  [],
  {},
  [[]],
  [null],
  { a: { b: { c: {} } } },
  { width: 1, height: 1 },
]

const specs: readonly Record<string, unknown>[] = [
  {
    kind: 'extract',
    source: 'photos',
    model: 'resnet50',
    layers: ['res4', 'pool5'],
    out: 'features',
    size: '320x256',
    maxErrors: '1%',
    partSize: 512,
  },
  { kind: 'predict', source: 's3://b/photos', model: 'googlenet', top: 5, oversample: true, out: 'out.csv' },
  {
    kind: 'finetune',
    source: 'pets',
    model: 'vgg16',
    layer: 'fc7',
    head: [512],
    base: 'scaled:0.1',
    out: 'models/pets',
    schedule: 'step:2:0.5',
    augment: 'flip,crop',
    validation: 0.1,
    classWeights: { cat: 2 },
  },
]

/** A deeply nested value, as parsers fear it. */
function nested(depth: number): string {
  return `${'{"a":['.repeat(depth)}1${']}'.repeat(depth)}`
}

/** Makes malformed and merely odd requests to the orchestrator's API. */
export class RequestMaker {
  private readonly next: () => number

  constructor(
    seed: number,
    private readonly token: string,
  ) {
    this.next = mulberry32(seed)
  }

  private below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  private pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined && !items.includes(item as T)) throw new Error('nothing to pick from')
    return item as T
  }

  private randomBytes(most: number): Buffer {
    return Buffer.from(Array.from({ length: this.below(most) }, () => this.below(256)))
  }

  /** A spec with some fields replaced, added, doubled or gone. */
  private spec(): unknown {
    const spec: Record<string, unknown> = { ...this.pick(specs) }
    for (let i = this.below(4); i >= 0; i--) {
      const field = this.pick([
        ...Object.keys(spec),
        ...Object.keys(this.pick(specs)),
        'device',
        'seed',
        'epochs',
        'augmentCopies',
        'batchSize',
        this.pick(strings),
      ])
      const action = this.below(4)
      if (action === 0) delete spec[field]
      else if (action === 1)
        Object.defineProperty(spec, field, { value: this.pick(atoms), enumerable: true, configurable: true, writable: true })
      else if (action === 2) spec[field] = Array.from({ length: this.below(24) }, () => this.pick(atoms))
      else spec[field] = { [this.pick(strings)]: this.pick(atoms), value: spec[field] }
    }
    return this.below(20) === 0 ? this.pick(atoms) : spec
  }

  private body(): Buffer | string {
    const text = JSON.stringify(this.spec()) ?? ''
    switch (this.below(10)) {
      case 0:
        return this.randomBytes(2000)
      case 1:
        return text.slice(0, this.below(text.length + 1))
      case 2:
        return nested(this.below(20_000))
      case 3:
        return text.replace('{', '{"__proto__":{"polluted":true},"constructor":{"prototype":{}},')
      case 4: {
        const bytes = Buffer.from(text)
        for (let i = 0; i < 5 && bytes.length > 0; i++) bytes[this.below(bytes.length)] = this.below(256)
        return bytes
      }
      default:
        return text
    }
  }

  private segment(): string {
    const odd = this.pick(strings)
    switch (this.below(6)) {
      case 0:
        return 'run-1'
      case 1:
        return encodeURIComponent(odd.replaceAll(/\p{Surrogate}/gu, '')).slice(0, 1500)
      case 2:
        return '%' + this.pick(['', '0', 'zz', 'E0%A4', 'C0%AE', '00', '2e%2e', '2F'])
      case 3:
        return 'a'.repeat(this.below(400))
      case 4:
        return this.randomBytes(30).toString('base64url')
      default:
        return this.pick(['..', '.', '*', ':id', ';a=b', '@', '[', 'RUN-1', 'run_1', '-', 'run-1/', '/run-1'])
    }
  }

  private path(): string {
    const base = this.pick([
      '/v1/runs',
      '/v1/runs',
      `/v1/runs/${this.segment()}`,
      `/v1/runs/${this.segment()}/cancel`,
      `/v1/runs/${this.segment()}/resume`,
      `/v1/runs/${this.segment()}/events`,
      `/v1/queues/${this.segment()}/jobs`,
      `/v1/queues/layermill-parts/jobs/${this.segment()}/retry`,
      '/v1/workers',
      '/v1/queues',
      '/metrics',
      '/healthz',
      '/docs',
      `/docs/${this.segment()}`,
      `/docs/static/${this.segment()}`,
      `/${this.segment()}`,
      '*',
      '//',
      '/v1//runs',
    ])
    if (this.below(2) === 0) return base
    const names = [
      'limit',
      'offset',
      'cursor',
      'state',
      'kind',
      'after',
      '__proto__',
      'constructor',
      encodeURIComponent(this.pick(['a[b]', 'é', ' ', '&'])),
    ]
    const pairs = Array.from(
      { length: this.below(5) },
      () =>
        `${this.pick(names)}=${this.pick(['1', '0', '-1', '999', '1e3', 'running', 'extract', '%', '%zz', '+', '', 'a'.repeat(600), encodeURIComponent('\0\r\n')])}`,
    )
    return `${base}?${pairs.join(this.pick(['&', '&&', ';', '=']))}`
  }

  private headers(): Record<string, string> {
    const headers: Record<string, string> = {}
    if (this.below(8) > 0) headers['authorization'] = `Bearer ${this.token}`
    else
      headers['authorization'] = this.pick([
        '',
        'Bearer',
        'Bearer ',
        `Bearer ${'x'.repeat(3000)}`,
        'Basic Og==',
        `bearer ${this.token} x`,
        'Bearer é'.replace('é', '\u00e9'),
        `Bearer ${this.token}`,
      ])
    headers['content-type'] =
      this.below(3) > 0
        ? 'application/json'
        : this.pick([
            '',
            'application/json; charset=utf-16',
            'application/JSON',
            'text/plain',
            'application/x-www-form-urlencoded',
            'multipart/form-data; boundary=x',
            'application/json, text/plain',
            ';;;',
            'a'.repeat(500),
          ])
    const more: [string, string][] = [
      ['last-event-id', this.pick(['', '1', '\u00ff', 'x'.repeat(300), '-1'])],
      ['x-request-id', this.pick(['', 'a b', 'x'.repeat(500), '../', 'ok'])],
      ['accept', this.pick(['*/*', 'text/html', ''])],
      ['host', this.pick(['', 'evil.example.org', 'a'.repeat(300), '127.0.0.1:99999'])],
      ['origin', this.pick(['null', 'http://[', 'https://example.org'])],
      ['x-forwarded-for', this.pick(['1.2.3.4', ',,,', 'x'.repeat(1000)])],
      ['expect', '100-continue'],
      ['if-none-match', '*'],
      ['range', 'bytes=9-1'],
      ['cookie', '__proto__=1'],
      ['accept-version', this.pick(['1.x', '', '*'])],
      ['content-encoding', 'gzip'],
      ['upgrade', 'websocket'],
    ]
    for (let i = this.below(4); i > 0; i--) {
      const [name, value] = this.pick(more)
      headers[name] = value
    }
    return headers
  }

  /** A submission that is fine but for its spec. */
  submission(): RawRequest {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' }
    return { method: 'POST', path: '/v1/runs', headers, body: JSON.stringify(this.spec()) ?? 'null' }
  }

  /** One request; most are wrong somewhere. */
  request(): RawRequest {
    const method =
      this.below(3) === 0
        ? this.pick(['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'POST'])
        : this.pick(['POST', 'GET'])
    const path = method === 'POST' && this.below(2) === 0 ? '/v1/runs' : this.path()
    const body = method === 'GET' || method === 'HEAD' ? undefined : this.body()
    return { method, path, headers: this.headers(), body }
  }

  /** Bytes that are hardly HTTP at all, for a bare connection. */
  bytes(): Buffer {
    const { method, path, body } = this.request()
    const head = `${method} ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${this.token}\r\ncontent-type: application/json\r\n`
    switch (this.below(9)) {
      case 0:
        return this.randomBytes(3000)
      case 1:
        return Buffer.from(`${head}content-length: ${this.pick(['-1', 'x', '99999999999999999999', '5, 6', '0x10'])}\r\n\r\n{}`)
      case 2:
        return Buffer.from(
          `${head}transfer-encoding: chunked\r\n\r\n${this.pick(['zz\r\n', '5\r\nab', 'ffffffffffffffff\r\n', '1;' + 'x'.repeat(20_000) + '\r\na\r\n', '0\r\n\r\n'])}`,
        )
      case 3:
        return Buffer.from(`${head}${'x-pad: y\r\n'.repeat(this.below(4000))}\r\n`)
      case 4:
        return Buffer.from(`${head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`)
      case 5:
        return Buffer.from(`${head}x: ${'y'.repeat(this.below(40_000))}\r\n\r\n`)
      case 6:
        return Buffer.from(`${method} ${path} HTTP/${this.pick(['9.9', '0.9', '2.0', 'x'])}\r\n\r\n`)
      case 7:
        return Buffer.concat([
          Buffer.from(`${head}content-length: ${this.below(50)}\r\n\r\n`),
          Buffer.from(body ?? ''),
          Buffer.from('\r\n\r\n'),
        ])
      default:
        return Buffer.from(`${head}bad header\x00: \x01\r\n\r\n`)
    }
  }
}
