import type { WorkerOptions } from '@layermill/gpu-worker/main'
import type { CommandDefinition } from '../../command/command.js'
import { deviceFlag, fleetQueueFlag, lockFlag, privateWeightsFlag, weightsStoreFlag } from '../../command/shared-flags.js'

export const worker: CommandDefinition = {
  name: 'worker',
  group: 'Fleet',
  text: 'compute parts of any run of a fleet; SIGTERM lets it finish what it has',
  flags: [
    fleetQueueFlag,
    deviceFlag,
    {
      flag: '--devices <numbers>',
      group: 'running',
      text: 'GPUs with one worker process each, as 0,1',
      otherwise: 'one process for the device',
    },
    { flag: '--engine <name>', group: 'running', text: 'engine that computes', choices: ['onnx', 'tfjs'], value: 'onnx' },
    {
      flag: '--concurrency <number>',
      group: 'running',
      text: 'parts at once: two, so that reading one hides behind computing the other',
      value: '2',
    },
    {
      flag: '--threads <number>',
      group: 'running',
      text: 'threads that compute',
      env: 'LAYERMILL_THREADS',
      otherwise: "the processors, and no more than the control group's CPU limit",
    },
    {
      flag: '--health-port <number>',
      group: 'server',
      text: 'port that serves /healthz, /readyz and /metrics; 0 takes any free port',
      otherwise: 'none',
    },
    { flag: '--host <name>', group: 'server', text: 'address that --health-port listens on', value: '127.0.0.1' },
    {
      flag: '--drain-deadline <seconds>',
      group: 'running',
      text: 'time to finish parts at SIGTERM; parts that are not finished then go back to the queue',
      value: '30',
    },
    weightsStoreFlag,
    privateWeightsFlag,
    {
      flag: '--weights-cache <bytes>',
      group: 'fleet',
      text: 'bytes of that store to keep on this disk; weights used longest ago are dropped',
      value: '20GB',
    },
    { ...lockFlag, otherwise: undefined, value: '60' },
    {
      flag: '--log-level <level>',
      group: 'output',
      text: 'least level of the JSON lines on standard output',
      choices: ['debug', 'info', 'warn', 'error'],
      value: 'info',
    },
  ],
  examples: [
    'worker --queue redis://localhost:6379',
    'worker --queue redis://queue.internal:6379 --device cuda --devices 0,1 --health-port 9090 --host 0.0.0.0 --weights-store s3://bucket/layermill',
  ],
  action: async (output, options: WorkerOptions) => (await import('./action.js')).workerCommand(output, options),
}
