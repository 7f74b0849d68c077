import type { WorkerOptions } from '@layermill/gpu-worker/main'
import type { ServeOptions } from '@layermill/orchestrator/main'
import { type Command, Option } from 'commander'
import type { FleetChange } from './commands/fleet.js'
import type { ListOptions, RunsOptions } from './commands/runs.js'
import type { TokensOptions } from './commands/tokens.js'
import type { Output } from './output/output.js'
import { registryText } from './program-models.js'
import { addSchedules } from './program-schedules.js'

/** Exit code that a command sets for the process. */
export interface Result {
  exitCode: number
}

const queueText = 'queue of the fleet: redis://host:6379, rediss:// or postgres://'
const lockText = 'seconds after which another takes over the work of a process that is gone'
const unfitText = 'seconds for which no worker may be fit for a run (a mount, credentials, a version) before the run fails'
const privateText = 'also fetch weights from URLs at private addresses that specs name'
const storeText = 'where the fleet keeps weights, so that workers need not fetch them from the internet: a folder or s3://bucket/prefix'

/** Flags of the commands that a fleet carries out. */
export function addFleetFlags(command: Command): Command {
  return command
    .option(
      '--queue <url>',
      `${queueText}; default: $LAYERMILL_QUEUE, and where that is not set either, or it is embedded, everything runs in this process`,
    )
    .option('--server <url>', 'a layermill serve to submit to, as https://host:8080; the token comes from LAYERMILL_TOKEN or --token-file')
    .option('--token-file <file>', 'file with the token of --server')
    .option('--weights-store <url>', storeText)
    .option('--allow-private-weights', `with --queue: ${privateText}`)
    .option('--registry <dest>', registryText)
    .addOption(new Option('--lock-duration <seconds>', lockText).hideHelp())
    .addOption(new Option('--unfit-deadline <seconds>', unfitText).hideHelp())
}

/** A flag that may be given more than once. */
const collect = (value: string, before: string[] = []): string[] => [...before, value]

function addServe(program: Command, result: Result): void {
  program
    .command('serve')
    .description('the orchestrator of a fleet: HTTP API (documented at /docs) and what carries out runs; several may serve one queue')
    .addOption(new Option('--queue <url>', queueText).env('LAYERMILL_QUEUE').makeOptionMandatory())
    .option('--host <name>', 'where to listen; other than loopback only with tokens', '127.0.0.1')
    .option('--port <number>', 'port; 0 takes any free one', '8080')
    .addOption(
      new Option('--tokens-file <file>', 'who may ask (see layermill tokens); default: $LAYERMILL_HOME/tokens.jsonl where it exists').env(
        'LAYERMILL_TOKENS_FILE',
      ),
    )
    .option('--weights-store <url>', storeText)
    .option('--registry <dest>', registryText)
    .option(
      '--state <dest>',
      'where schedules are kept, outliving the queue: a folder or s3://bucket/prefix, the same for all orchestrators; default: $LAYERMILL_HOME/state',
    )
    .option(
      '--allow-path <dest>',
      'folder or s3://bucket/prefix that specs given over HTTP may name; may be repeated; default: any bucket, and any folder where there are no tokens',
      collect,
    )
    .addOption(
      new Option(
        '--trust-proxy [addresses]',
        'a reverse proxy is in front: believe its X-Forwarded-For and X-Forwarded-Proto; its addresses or subnets with commas, default: of this machine and private networks',
      ).env('LAYERMILL_TRUST_PROXY'),
    )
    .addOption(new Option('--base-path <path>', 'path that the proxy serves this server below, as /layermill').env('LAYERMILL_BASE_PATH'))
    .addOption(
      new Option('--hsts [seconds]', 'over TLS, tell browsers to insist on it for this host; default: a year').env('LAYERMILL_HSTS'),
    )
    .option(
      '--cors-origin <origin>',
      'origin whose pages may ask, as https://tools.example; may be repeated (also LAYERMILL_CORS_ORIGINS, with commas)',
      collect,
    )
    .option(
      '--webhook <url>',
      'tell this URL when runs end and models are promoted; may be repeated (also LAYERMILL_WEBHOOKS); signed with LAYERMILL_WEBHOOK_SECRET or the file of LAYERMILL_WEBHOOK_SECRET_FILE',
      collect,
    )
    .option('--allow-private-weights', privateText)
    .option('--allow-private-webhooks', 'also tell webhooks at private addresses')
    .option('--lock-duration <seconds>', lockText, '60')
    .option('--unfit-deadline <seconds>', unfitText, '30')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill serve --queue redis://localhost:6379\n  layermill serve --queue rediss://queue.internal:6379 --host 0.0.0.0 --tokens-file /etc/layermill/tokens.jsonl --weights-store s3://bucket/layermill',
    )
    .action(async (options: ServeOptions) => {
      const [{ serve }, { dashboardFolder }] = await Promise.all([import('@layermill/orchestrator/main'), import('@layermill/dashboard')])
      result.exitCode = await serve(options, dashboardFolder())
    })
}

function addWorker(program: Command, output: Output, result: Result): void {
  program
    .command('worker')
    .description('computes parts of any run of a fleet; SIGTERM lets it finish what it has')
    .addOption(new Option('--queue <url>', queueText).env('LAYERMILL_QUEUE').makeOptionMandatory())
    .option('--device <name>', 'auto, cpu, cuda, webgpu, or cpu-portable (tfjs in JavaScript, slow)', 'auto')
    .option('--devices <numbers>', 'one worker process for each of these GPUs, as 0,1')
    .option('--engine <name>', 'onnx or tfjs', 'onnx')
    .option('--concurrency <number>', 'parts at once: two, so that reading one hides behind computing the other', '2')
    .option('--health-port <number>', 'serves /healthz, /readyz and /metrics there; 0 takes any free port')
    .option('--host <name>', 'where --health-port listens', '127.0.0.1')
    .option('--drain-deadline <seconds>', 'time to finish parts at SIGTERM; what is not finished then goes back to the queue', '30')
    .option('--weights-store <url>', storeText)
    .option('--allow-private-weights', privateText)
    .option('--weights-cache <bytes>', 'most weights of that store to keep on this disk; those used longest ago are dropped', '20GB')
    .option('--lock-duration <seconds>', lockText, '60')
    .option('--log-level <level>', 'debug, info, warn or error, for the JSON lines on standard output', 'info')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill worker --queue redis://localhost:6379\n  layermill worker --queue redis://queue.internal:6379 --device cuda --devices 0,1 --health-port 9090 --host 0.0.0.0 --weights-store s3://bucket/layermill',
    )
    .action(async (options: WorkerOptions) => {
      const { worker } = await import('@layermill/gpu-worker/main')
      result.exitCode = await worker(options, text => output.note(text))
    })
}

function reach(command: Command): Command {
  return command
    .option('--queue <url>', `${queueText}; default: $LAYERMILL_QUEUE`)
    .option('--server <url>', 'a layermill serve; the token comes from LAYERMILL_TOKEN or --token-file')
    .option('--token-file <file>', 'file with the token of --server')
    .option('--json', 'machine-readable lines')
}

function addRuns(program: Command, output: Output, result: Result): void {
  const runs = program
    .command('runs')
    .description('list, show, watch, pause, cancel and resume the runs of a fleet')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill runs list --queue redis://localhost:6379 --state running\n  layermill runs watch extract-20260102-0a1b2c3d --server https://layermill.example\n  layermill runs resume s3://bucket/features --queue redis://localhost:6379',
    )
  reach(runs.command('list').description('the runs that the queue knows, newest first'))
    .option('--state <state>', 'planning, running, done, failed or cancelled')
    .option('--kind <kind>', 'extract, predict or finetune')
    .option('--limit <number>', 'most runs to list', '50')
    .addHelpText('after', '\nExample:\n  layermill runs list --queue redis://localhost:6379 --state failed')
    .action(async (options: ListOptions) => (await import('./commands/runs.js')).listRuns(output, options))
  reach(runs.command('show').argument('<run>', 'its id').description('a run with its layers, counts and, if it failed, why'))
    .addHelpText('after', '\nExample:\n  layermill runs show extract-20260102-0a1b2c3d --queue redis://localhost:6379 --json')
    .action(async (id: string, options: RunsOptions) => (await import('./commands/runs.js')).showRun(output, id, options))
  reach(runs.command('watch').argument('<run>', 'its id').description('live progress, from any machine; Ctrl-C ends the watching only'))
    .addHelpText(
      'after',
      '\nExample:\n  layermill runs watch extract-20260102-0a1b2c3d --server https://layermill.example --token-file ~/.layermill-token',
    )
    .action(async (id: string, options: RunsOptions) => {
      result.exitCode = await (await import('./commands/runs.js')).watchRun(output, id, options)
    })
  reach(runs.command('cancel').argument('<run>', 'its id').description('ends a run; what is committed stays, and it can be resumed'))
    .addHelpText('after', '\nExample:\n  layermill runs cancel extract-20260102-0a1b2c3d --queue redis://localhost:6379')
    .action(async (id: string, options: RunsOptions) => (await import('./commands/runs.js')).cancelRun(output, id, options))
  reach(runs.command('pause').argument('<run>', 'its id').description('lets go of a run until it is resumed; parts under way are finished'))
    .addHelpText('after', '\nExample:\n  layermill runs pause extract-20260102-0a1b2c3d --queue redis://localhost:6379')
    .action(async (id: string, options: RunsOptions) => (await import('./commands/runs.js')).pauseRun(output, id, options))
  reach(
    runs
      .command('resume')
      .argument('<run|out>', 'its id, or where its results are (then --queue)')
      .description('goes on with a run that is paused, failed, was cancelled, or was forgotten by a wiped queue'),
  )
    .option('--detach', 'only queue it: an orchestrator (layermill serve) carries it out')
    .option('--weights-store <url>', storeText)
    .option('--allow-private-weights', `with --queue: ${privateText}`)
    .addHelpText(
      'after',
      '\nExamples:\n  layermill runs resume extract-20260102-0a1b2c3d --server https://layermill.example\n  layermill runs resume s3://bucket/features --queue redis://localhost:6379',
    )
    .action(async (target: string, options: RunsOptions & { detach?: boolean }) => {
      result.exitCode = await (await import('./commands/runs.js')).resumeRun(output, target, options)
    })
}

function addFleetState(program: Command, output: Output): void {
  const fleet = program
    .command('fleet')
    .description('pause and resume all workers of a fleet')
    .addHelpText(
      'after',
      '\nExamples:\n  layermill fleet pause --queue redis://localhost:6379\n  layermill fleet resume --server https://layermill.example',
    )
  const add = (what: FleetChange, description: string): void => {
    reach(fleet.command(what).description(description))
      .addHelpText('after', `\nExample:\n  layermill fleet ${what} --queue redis://localhost:6379`)
      .action(async (options: RunsOptions) => (await import('./commands/fleet.js')).fleetCommand(output, what, options))
  }
  add('pause', 'workers finish what they have and begin nothing more')
  add('resume', 'workers go on')
  add('show', 'whether workers may begin anything')
}

function addTokens(program: Command, output: Output): void {
  const tokens = program.command('tokens').description('who may use the HTTP API of layermill serve; only hashes are kept')
  const file = (command: Command): Command => command.option('--tokens-file <file>', 'default: $LAYERMILL_HOME/tokens.jsonl')
  file(tokens.command('add').argument('<name>', 'whose it is').description('make a token, and show it once'))
    .requiredOption('--scopes <list>', 'read, submit (and cancel, resume), admin')
    .option('--expires <time>', 'when it ends, as 2027-01-01T00:00:00Z')
    .addHelpText('after', '\nExample:\n  layermill tokens add anna --scopes submit --expires 2027-01-01T00:00:00Z > anna.token')
    .action(async (name: string, options: TokensOptions) => (await import('./commands/tokens.js')).addToken(output, name, options))
  file(tokens.command('list').description('names, scopes and times'))
    .addHelpText('after', '\nExample:\n  layermill tokens list')
    .action(async (options: TokensOptions) => (await import('./commands/tokens.js')).listTokens(output, options))
  file(tokens.command('remove').argument('<name>', 'whose it is').description('refuse a token from now on'))
    .addHelpText('after', '\nExample:\n  layermill tokens remove anna')
    .action(async (name: string, options: TokensOptions) =>
      (await import('./commands/tokens.js')).removeTokenCommand(output, name, options),
    )
}

/** Adds the commands of a fleet. */
export function addFleet(program: Command, output: Output, result: Result): void {
  addServe(program, result)
  addWorker(program, output, result)
  addRuns(program, output, result)
  addFleetState(program, output)
  addSchedules(program, output)
  addTokens(program, output)
}
