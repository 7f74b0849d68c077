import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { s3Client } from '../s3/client.js'

/** Makes a bucket on the server that the environment names. */
export async function createBucket(name: string): Promise<void> {
  const client = s3Client()
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }))
  } finally {
    client.destroy()
  }
}
