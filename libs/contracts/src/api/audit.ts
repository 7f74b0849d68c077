import * as z from 'zod'

const count = z.int().nonnegative()

/** Verdict of somebody who looked at a finding. */
export const Verdict = z.enum(['confirmed', 'dismissed'])
export type Verdict = z.output<typeof Verdict>

/** Names of findings: an image has at most one of each. */
const findingName = { key: z.string().min(1).max(2048), finding: z.string().min(1).max(100) }

export const AuditFinding = z.object({
  key: z.string(),
  finding: z.string().describe('exact-duplicate, near-duplicate, leak, label, outlier, dark, blurred or tiny.'),
  score: z.number().optional().describe('Left out of what an earlier audit found and was dismissed.'),
  group: count.optional().describe('Images that are found together have the same.'),
  label: z.string().optional(),
  detail: z.string().optional().describe('Likeliest class of a suspect label, held-out image of a leak.'),
  verdict: Verdict.optional(),
})
export type AuditFinding = z.output<typeof AuditFinding>

export const AuditKind = z.object({
  finding: z.string(),
  open: count.describe('Findings without a verdict.'),
  confirmed: count,
  dismissed: count,
})
export type AuditKind = z.output<typeof AuditKind>

export const RunAudit = z
  .object({
    kinds: z.array(AuditKind).describe('In the order of the audit.'),
    findings: z.array(AuditFinding).describe('Of one kind, in the order of the audit.'),
    next: z.string().optional().describe('The from to go on with; left out on the last page.'),
  })
  .meta({ id: 'RunAudit', description: 'What an audit found among the images of a run, with the verdicts on it.' })
export type RunAudit = z.output<typeof RunAudit>

/** Most verdicts of one request. */
const mostVerdicts = 200

export const VerdictBody = z
  .strictObject({
    verdicts: z
      .array(z.strictObject({ ...findingName, verdict: Verdict.nullable().describe('null: takes a verdict back.') }))
      .min(1)
      .max(mostVerdicts),
  })
  .meta({ id: 'VerdictBody', description: 'Verdicts on findings of an audit.' })
export type VerdictBody = z.output<typeof VerdictBody>

export const AuditVerdicts = z
  .object({ kinds: z.array(AuditKind) })
  .meta({ id: 'AuditVerdicts', description: 'Findings of an audit by kind and verdict.' })
export type AuditVerdicts = z.output<typeof AuditVerdicts>
