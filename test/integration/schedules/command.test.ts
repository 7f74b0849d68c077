import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ScheduleDetail } from '@layermill/contracts'
import { runCli } from '../../helpers/cli.js'
import { Fleet, succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage, writeImages } from '../../helpers/images.js'

const folder = testFolder('schedule-command')
let fleet: Fleet
let source: string
let spec: string
let state: string

beforeAll(async () => {
  fleet = await Fleet.start({}, { appendOnly: true })
  source = join(await folder(), 'images')
  state = join(await folder(), 'state')
  spec = join(await folder(), 'spec.json')
  await writeImages(source, 4)
  await writeFile(
    spec,
    JSON.stringify({
      kind: 'extract',
      source,
      model: 'googlenet',
      weights: 'random:1',
      layers: ['conv2'],
      size: '32x32',
      device: 'cpu',
      out: join(await folder(), 'features'),
    }),
  )
})

afterAll(() => fleet?.stop())

const schedule = (...args: string[]): Promise<string> => runCli(['schedule', ...args]).then(result => succeeded(result).stdout)
const shown = async (reach: string[]): Promise<ScheduleDetail> =>
  ScheduleDetail.parse(JSON.parse(await schedule('show', 'often', '--json', ...reach)))

it('runs at its times, looks for what is new, and goes on after everything was restarted', async () => {
  const queue = ['--queue', fleet.queue]
  expect(await runCli(['schedule', 'list', ...queue])).toMatchObject({ code: 1, stderr: expect.stringContaining('[SCHEDULES_ELSEWHERE]') })
  const first = await fleet.serve(['--state', state])
  await fleet.worker()
  const refused = await runCli(['schedule', 'add', 'often', '--cron', '99 * * * *', '--tz', 'Mars/Base', '-f', spec, ...queue])
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/cron: got "99 \* \* \* \*"[^]*tz: got "Mars\/Base"/) })

  expect(await schedule('add', 'often', '--cron', '* * * * * *', '-f', spec, ...queue)).toContain('often added; next')
  await untilSaid(first.process, /tick \S+ is run (extract-\S+)"/)
  await untilSaid(first.process, /tick \S+ skipped: unchanged/)
  const [before] = (await shown(['--server', first.url])).history.filter(({ state: was }) => was === 'done')
  expect(before).toMatchObject({ state: 'done', run: expect.stringMatching(/^extract-/) })

  // A new image is found at the next tick.
  await writeImage(source, 'new.png', 99)
  await untilSaid(first.process, /is run \S+"[^]*is run \S+"/)
  await schedule('pause', 'often', ...queue)
  expect((await shown(queue)).next).toBeUndefined()
  first.process.child.kill('SIGTERM')
  await first.process.ended

  await schedule('resume', 'often', ...queue)
  await fleet.redis.restart()
  const second = await fleet.serve(['--state', state])
  await untilSaid(second.process, /tick \S+ skipped: unchanged/)
  second.process.child.kill('SIGTERM')
  await second.process.ended
  expect((await shown(queue)).history.filter(({ run }) => run !== undefined).map(({ state: was }) => was)).toEqual(['done', 'done'])
})
