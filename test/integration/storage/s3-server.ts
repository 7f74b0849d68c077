import { type S3Server, startRadosgw } from '../../../scripts/services/radosgw.mjs'

/**
 * The S3 server of the tests, with its environment set for this process: the one that the runner started and named in `LAYERMILL_TEST_S3`
 * (JSON of the environment a client needs), else an own one, which `stop` ends. `stop` takes back what was set.
 */
export async function useS3Server(): Promise<{ endpoint: string; env: Record<string, string>; stop: () => Promise<void> }> {
  const shared = process.env['LAYERMILL_TEST_S3']
  const server: Pick<S3Server, 'env' | 'stop'> =
    shared === undefined ? await startRadosgw() : { env: JSON.parse(shared) as Record<string, string>, stop: async () => {} }
  const before = Object.keys(server.env).map(name => [name, process.env[name]] as const)
  Object.assign(process.env, server.env)
  const stop = async (): Promise<void> => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    await server.stop()
  }
  return { endpoint: server.env['AWS_ENDPOINT_URL_S3'] ?? '', env: server.env, stop }
}
