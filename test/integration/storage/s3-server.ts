import { type S3Server, startRadosgw } from '../../../scripts/services/radosgw.mjs'

/**
 * The S3 server of the tests, with its environment set for this process: the one that the runner started and named in `LAYERMILL_TEST_S3`
 * (JSON of the environment a client needs), else an own one, which `stop` ends.
 */
export async function useS3Server(): Promise<{ endpoint: string; stop: () => Promise<void> }> {
  const shared = process.env['LAYERMILL_TEST_S3']
  const server: Pick<S3Server, 'env' | 'stop'> =
    shared === undefined ? await startRadosgw() : { env: JSON.parse(shared) as Record<string, string>, stop: async () => {} }
  Object.assign(process.env, server.env)
  return { endpoint: server.env['AWS_ENDPOINT_URL_S3'] ?? '', stop: server.stop }
}
