import type { ChildProcess } from 'node:child_process'

export interface RedisNode {
  port: number
  child: ChildProcess
  kill(): Promise<void>
  command(...words: string[]): Promise<string>
}

export interface RedisPair {
  servers: RedisNode[]
  readonly master: RedisNode
  failOver(): Promise<void>
  stop(): Promise<void>
}
export function startPair(): Promise<RedisPair>

export interface RedisSentinels {
  url: string
  servers: RedisNode[]
  sentinels: RedisNode[]
  master(): Promise<RedisNode | undefined>
  failOver(options?: { kill?: boolean }): Promise<void>
  stop(): Promise<void>
}
export function startSentinels(options?: { quorum?: number }): Promise<RedisSentinels>

export interface RedisClusterService {
  url: string
  servers: RedisNode[]
  stop(): Promise<void>
}
export function startCluster(): Promise<RedisClusterService>

export interface TlsRedis {
  url: string
  authority: string
  stop(): Promise<void>
}
export function startTlsRedis(): Promise<TlsRedis>

export interface Door {
  url: string
  lead(port: number): void
  close(): Promise<void>
}
export function startDoor(target: number): Promise<Door>
