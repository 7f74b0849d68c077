import {
  parseScheduleChange,
  parseScheduleSpec,
  ScheduleChange,
  ScheduleDetail,
  ScheduleList,
  ScheduleName,
  type ScheduleService,
  ScheduleSpec,
  ScheduleTick,
} from '@layermill/contracts'
import * as z from 'zod'
import type { App } from '../app.js'
import { problems } from './problems.js'

const params = z.object({ name: ScheduleName })
const tags = ['schedules']

const NewSchedule = ScheduleSpec.meta({
  id: 'ScheduleSpec',
  description: 'What to run, when (cron and tz), and what to do where a run is under way, ticks were missed or nothing changed.',
})
const ChangedSchedule = ScheduleChange.meta({ id: 'ScheduleChange', description: 'The fields of a schedule to change.' })

/** A parser of our own, which names each wrong field with what was given and what was expected. */
function checking<Value>(parse: (body: unknown) => Value): () => (body: unknown) => { value: Value } | { error: Error } {
  return () => body => {
    try {
      return { value: parse(body) }
    } catch (error) {
      return { error: error instanceof Error ? error : new Error(String(error)) }
    }
  }
}

function addChanges(app: App, schedules: ScheduleService): void {
  app.post(
    '/v1/schedules',
    {
      schema: {
        tags,
        summary: 'Add a schedule',
        operationId: 'addSchedule',
        body: NewSchedule,
        response: { 201: ScheduleDetail, ...problems(409, 413, 415, 422) },
      },
      validatorCompiler: checking(parseScheduleSpec),
    },
    async (request, reply) => {
      const schedule = await schedules.add(request.body)
      return reply.code(201).header('location', `/v1/schedules/${schedule.name}`).send(schedule)
    },
  )

  app.patch(
    '/v1/schedules/:name',
    {
      schema: {
        tags,
        summary: 'Change a schedule in place',
        operationId: 'changeSchedule',
        params,
        body: ChangedSchedule,
        response: { 200: ScheduleDetail, ...problems(404, 413, 415, 422) },
        description: 'Fields that are left out stay as they are, and so does the history.',
      },
      validatorCompiler: ({ httpPart }) => (httpPart === 'body' ? checking(parseScheduleChange)() : checkParams),
    },
    async request => schedules.change(request.params.name, request.body),
  )

  app.delete(
    '/v1/schedules/:name',
    {
      schema: {
        tags,
        summary: 'Remove a schedule',
        operationId: 'removeSchedule',
        params,
        response: { 204: z.null().describe('It is gone; its runs go on.'), ...problems(404) },
      },
    },
    async (request, reply) => {
      await schedules.remove(request.params.name)
      return reply.code(204).send(null)
    },
  )
}

function checkParams(value: unknown): { value: unknown } | { error: Error } {
  const result = params.safeParse(value)
  return result.success ? { value: result.data } : { error: result.error }
}

/** Schedules: adding, showing, changing, and running them now. */
export function addScheduleRoutes(app: App, schedules: ScheduleService): void {
  addChanges(app, schedules)

  app.get(
    '/v1/schedules',
    {
      schema: { tags, summary: 'List schedules', operationId: 'listSchedules', response: { 200: ScheduleList, ...problems() } },
    },
    async () => ({ schedules: await schedules.list() }),
  )

  app.get(
    '/v1/schedules/:name',
    {
      schema: {
        tags,
        summary: 'Show a schedule with its next times and its history',
        operationId: 'getSchedule',
        params,
        response: { 200: ScheduleDetail, ...problems(404) },
      },
    },
    async request => schedules.get(request.params.name),
  )

  app.post(
    '/v1/schedules/:name/pause',
    {
      schema: {
        tags,
        summary: 'Pause a schedule',
        operationId: 'pauseSchedule',
        params,
        response: { 200: ScheduleDetail, ...problems(404) },
      },
    },
    async request => schedules.pause(request.params.name),
  )

  app.post(
    '/v1/schedules/:name/resume',
    {
      schema: {
        tags,
        summary: 'Go on with a paused schedule',
        operationId: 'resumeSchedule',
        params,
        response: { 200: ScheduleDetail, ...problems(404) },
        description: 'What came due while it was paused is not made up for.',
      },
    },
    async request => schedules.resume(request.params.name),
  )

  app.post(
    '/v1/schedules/:name/run',
    {
      schema: {
        tags,
        summary: 'Run a schedule now',
        operationId: 'runSchedule',
        params,
        response: { 202: ScheduleTick, ...problems(404) },
        description:
          "Also of a paused schedule, and where the images have not changed. What became of it is in the schedule's history, under the tick's id.",
      },
    },
    async (request, reply) => reply.code(202).send(await schedules.run(request.params.name)),
  )
}
