import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
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

/** Writes an object under any key, also such as no store of ours would write. */
export async function putObject(bucket: string, key: string, body: string): Promise<void> {
  const client = s3Client()
  try {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.from(body, 'latin1') }))
  } finally {
    client.destroy()
  }
}
