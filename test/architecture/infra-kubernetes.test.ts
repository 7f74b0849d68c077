import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1'
import { Deployment } from 'kubernetes-models/apps/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Namespace, Secret, Service } from 'kubernetes-models/v1'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  at,
  commandViolations,
  entriesOf,
  filesOf,
  flagValue,
  isPinned,
  itemsOf,
  kubernetesManifests,
  manifestFiles,
  read,
  textAt,
  type Manifest,
  type Value,
} from './infra-files.js'

interface Model {
  prototype: { validate: (this: object) => void }
}

const models: Readonly<Record<string, Model>> = {
  'v1/ConfigMap': ConfigMap,
  'v1/Namespace': Namespace,
  'v1/Secret': Secret,
  'v1/Service': Service,
  'apps/v1/Deployment': Deployment,
  'networking.k8s.io/v1/NetworkPolicy': NetworkPolicy,
  'policy/v1/PodDisruptionBudget': PodDisruptionBudget,
  'keda.sh/v1alpha1/ScaledObject': ScaledObject,
}

const manifests = kubernetesManifests()
/** Manifests that are no objects of the cluster: lists of files, and the changes that the component for GPUs makes to the rest. */
const changes = ['gpu/worker-cpu-fixed.yaml', 'gpu/worker-cpu-unscaled.yaml']
const objects = manifests.filter(({ file, kind }) => !['Kustomization', 'Component'].includes(kind) && !changes.includes(file))
const ofKind = (kind: string): Manifest[] => objects.filter(object => object.kind === kind)

/**
 * A copy of a value that notes which of its fields are looked at. The validators look at every field they know, so that fields which nobody
 * looked at are misspelt or in the wrong place, which a cluster would pass over in silence.
 */
function watched(value: Value, place: string, unseen: Set<string>): Value {
  if (typeof value !== 'object' || value === null) return value
  const copy: Value = Array.isArray(value)
    ? (value as Value[]).map((item, i) => watched(item, `${place}[${i}]`, unseen))
    : Object.fromEntries(entriesOf(value).map(([key, item]) => [key, watched(item, `${place}.${key}`, unseen)]))
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy)) return copy
  for (const key of Object.keys(copy)) unseen.add(`${place}.${key}`)
  return new Proxy(copy, {
    get(target, key, receiver) {
      unseen.delete(`${place}.${String(key)}`)
      return Reflect.get(target, key, receiver) as unknown
    },
  })
}

function violations(value: Value): string[] {
  const type = `${textAt(value, 'apiVersion')}/${textAt(value, 'kind')}`
  const model = models[type]
  if (model === undefined) return [`no schema of ${type}`]
  const unseen = new Set<string>()
  try {
    // Not on an instance, which would be a copy and look at everything.
    Reflect.apply(model.prototype.validate, watched(value, '', unseen), [])
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
  return [...unseen].map(place => `${place} is not a field`)
}

describe('violations', () => {
  const [deployment] = ofKind('Deployment')
  const changed = (change: (copy: Record<string, Value>) => void): string[] => {
    const copy = structuredClone(deployment?.value) as Record<string, Value>
    change(copy)
    return violations(copy)
  }

  it('finds what a schema forbids, and fields that are misspelt', () => {
    expect(changed(() => {})).toEqual([])
    expect(
      changed(copy => {
        delete (copy['spec'] as Record<string, Value>)['selector']
      })[0],
    ).toContain("required property 'selector'".replaceAll("'", ''))
    expect(
      changed(copy => {
        ;(copy['spec'] as Record<string, Value>)['replicas'] = 'two'
      })[0],
    ).toContain('replicas must be integer')
    expect(
      changed(copy => {
        ;(at(copy, 'spec', 'template', 'spec') as Record<string, Value>)['terminationGracePeriod'] = 300
      }),
    ).toEqual(['.spec.template.spec.terminationGracePeriod is not a field'])
    expect(
      changed(copy => {
        ;(at(copy, 'spec', 'template', 'spec', 'containers', 0) as Record<string, Value>)['enviroment'] = []
      }),
    ).toEqual(['.spec.template.spec.containers[0].enviroment is not a field'])
  })
})

it.each(objects.map(object => ({ ...object, title: `${object.file}: ${object.kind} ${object.name}` })))(
  '$title is valid by its schema',
  ({ value, kind }) => {
    expect(violations(value)).toEqual([])
    expect(at(value, 'metadata', 'namespace')).toBe(kind === 'Namespace' ? undefined : 'layermill')
  },
)

const kustomization = manifests.find(({ kind }) => kind === 'Kustomization')?.value
const component = manifests.find(({ kind }) => kind === 'Component')?.value

describe('kustomization', () => {
  it('names every manifest but the example of secrets', () => {
    const expected = filesOf('infra/kubernetes').filter(file => !['gpu', 'kustomization.yaml', 'secrets.example.yaml'].includes(file))
    expect(itemsOf(at(kustomization, 'resources')).map(String).toSorted()).toEqual(expected)
  })

  it('has no GPU in it: a pod that asks for one would be pending for ever in a cluster without', () => {
    const withGpu = objects.filter(({ value }) => /nvidia|cuda/i.test(JSON.stringify(value))).map(({ file }) => file.split('/')[0])
    expect(new Set(withGpu)).toEqual(new Set(['gpu']))
  })

  it.each([
    ['', kustomization],
    ['gpu/', component],
  ])('sets the names and versions of the images that are used in infra/kubernetes/%s', (folder, list) => {
    const used = ofKind('Deployment')
      .filter(({ file }) => path.dirname(file) === path.dirname(`${folder}x`))
      .map(({ value }) => textAt(value, 'spec', 'template', 'spec', 'containers', 0, 'image').split(':'))
    expect(itemsOf(at(list, 'images')).map(image => [textAt(image, 'name'), textAt(image, 'newTag')])).toEqual(used)
    for (const image of itemsOf(at(list, 'images'))) expect(at(image, 'newName')).toBe(at(image, 'name'))
    // A domain that is nobody's to register.
    for (const [name] of used) expect(name).toMatch(/^registry\.example\.com\/layermill\/[a-z-]+$/)
  })
})

describe('the component for GPUs', () => {
  it('names every manifest of its folder', () => {
    expect(at(component, 'apiVersion')).toBe('kustomize.config.k8s.io/v1alpha1')
    const named = [...itemsOf(at(component, 'resources')), ...itemsOf(at(component, 'patches')).map(patch => at(patch, 'path'))]
    expect(named.map(String).toSorted()).toEqual(filesOf('infra/kubernetes/gpu').filter(file => file !== 'kustomization.yaml'))
  })

  it('stops the CPU workers from following the backlog, so that not both follow the same sum', () => {
    expect(itemsOf(at(component, 'patches')).map(patch => `gpu/${textAt(patch, 'path')}`)).toEqual(changes)
    const [fixed, unscaled] = changes.map(file => manifests.find(one => one.file === file)?.value)
    const target = (value: Value): unknown[] => ['apiVersion', 'kind'].map(key => at(value, key)).concat(at(value, 'metadata', 'name'))
    for (const [patch, kind] of [
      [fixed, 'Deployment'],
      [unscaled, 'ScaledObject'],
    ] as const) {
      const [changed] = ofKind(kind).filter(one => one.name === 'layermill-worker-cpu')
      expect(target(patch)).toEqual(target(changed?.value))
      expect(at(patch, 'metadata', 'namespace')).toBe('layermill')
    }
    expect(at(fixed, 'spec')).toEqual({ replicas: 1 })
    expect(at(unscaled, '$patch')).toBe('delete')
    expect(at(unscaled, 'spec')).toBeUndefined()
  })
})

describe.each(ofKind('Deployment'))('$name', ({ name, value }) => {
  const pod = at(value, 'spec', 'template', 'spec')
  const container = at(pod, 'containers', 0)
  const worker = name.startsWith('layermill-worker')
  const args = itemsOf(at(container, 'args')).map(String)

  it('starts a command that exists, from an exact image that is built here', () => {
    expect(commandViolations(args)).toEqual([])
    const image = String(at(container, 'image'))
    expect(isPinned(image)).toBe(true)
    expect(filesOf('infra/docker')).toContain(`${image.slice(image.lastIndexOf('/') + 1, image.indexOf(':'))}.Dockerfile`)
  })

  it('selects its own pods', () => {
    const selector = entriesOf(at(value, 'spec', 'selector', 'matchLabels'))
    expect(selector).toEqual([['app.kubernetes.io/name', name]])
    expect(at(value, 'spec', 'template', 'metadata', 'labels', 'app.kubernetes.io/name')).toBe(name)
    expect(at(value, 'spec', 'template', 'metadata', 'labels', 'app.kubernetes.io/component')).toBe(worker ? 'worker' : 'orchestrator')
  })

  it('spreads over nodes, where there are several, without insisting', () => {
    expect(at(pod, 'topologySpreadConstraints')).toEqual([
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: { 'app.kubernetes.io/name': name } },
      },
    ])
  })

  it('computes with as many threads as it has processors of the node', () => {
    const variable = itemsOf(at(container, 'env')).find(one => at(one, 'name') === 'LAYERMILL_THREADS')
    expect(at(variable, 'valueFrom')).toEqual(worker ? { resourceFieldRef: { resource: 'requests.cpu' } } : undefined)
    if (worker) expect(Number(at(container, 'resources', 'requests', 'cpu'))).toBeGreaterThanOrEqual(1)
  })

  it('replaces pods without a pod, and a GPU, more than there are', () => {
    const strategy = at(value, 'spec', 'strategy', 'rollingUpdate')
    const hasGpu = at(container, 'resources', 'limits', 'nvidia.com/gpu') !== undefined
    const expected = hasGpu ? { maxUnavailable: 1, maxSurge: 0 } : { maxUnavailable: 0, maxSurge: 1 }
    expect(strategy).toEqual(worker ? expected : undefined)
  })

  it('has probes on the port it listens on', () => {
    expect(String(at(container, 'ports', 0, 'containerPort'))).toBe(flagValue(args, worker ? '--health-port' : '--port'))
    expect(at(container, 'livenessProbe', 'httpGet', 'path')).toBe('/healthz')
    expect(at(container, 'startupProbe', 'httpGet', 'path')).toBe('/healthz')
    expect(at(container, 'readinessProbe', 'httpGet', 'path')).toBe('/readyz')
    for (const probe of ['livenessProbe', 'startupProbe', 'readinessProbe'])
      expect(at(container, probe, 'httpGet', 'port')).toBe(at(container, 'ports', 0, 'name'))
  })

  it('is not root and may do nothing', () => {
    expect(at(pod, 'securityContext', 'runAsNonRoot')).toBe(true)
    expect(at(pod, 'securityContext', 'seccompProfile', 'type')).toBe('RuntimeDefault')
    expect(at(container, 'securityContext')).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(at(pod, 'automountServiceAccountToken')).toBe(false)
  })

  it('has secrets by reference only, and those that the example names', () => {
    for (const variable of itemsOf(at(container, 'env'))) {
      if (!/QUEUE|SECRET|KEY/.test(String(at(variable, 'name')))) continue
      expect(at(variable, 'value')).toBeUndefined()
      const reference = at(variable, 'valueFrom', 'secretKeyRef')
      const secret = ofKind('Secret').find(one => one.name === at(reference, 'name'))
      expect(entriesOf(at(secret?.value, 'stringData')).map(([key]) => key)).toContain(at(reference, 'key'))
    }
  })

  it('expands only variables that it has', () => {
    const config = ofKind('ConfigMap').find(one => one.name === at(container, 'envFrom', 0, 'configMapRef', 'name'))
    const variables = [
      ...itemsOf(at(container, 'env')).map(variable => at(variable, 'name')),
      ...entriesOf(at(config?.value, 'data')).map(([key]) => key),
    ]
    const expanded = args.flatMap(arg => [...arg.matchAll(/\$\((\w+)\)/g)].map(([, variable]) => variable))
    expect(expanded.length).toBeGreaterThan(0)
    // The queue is read from the environment, where the command line does not show it.
    expect(variables).toContain('LAYERMILL_QUEUE')
    expect(expanded).not.toContain('LAYERMILL_QUEUE')
    expect(variables).toEqual(expect.arrayContaining(expanded))
  })

  it('mounts what it declares, asks for memory, and gives workers time to finish a part', () => {
    const declared = itemsOf(at(pod, 'volumes')).map(volume => textAt(volume, 'name'))
    expect(
      itemsOf(at(container, 'volumeMounts'))
        .map(mount => textAt(mount, 'name'))
        .toSorted(),
    ).toEqual(declared.toSorted())
    expect(at(container, 'resources', 'requests', 'memory')).toBeDefined()
    expect(at(container, 'resources', 'limits', 'memory')).toBeDefined()
    const grace = Number(at(pod, 'terminationGracePeriodSeconds'))
    expect(grace).toBeGreaterThanOrEqual(45)
    if (worker) expect(grace).toBeGreaterThan(Number(flagValue(args, '--drain-deadline')))
  })

  it('survives the draining of nodes', () => {
    const budgets = ofKind('PodDisruptionBudget').filter(
      budget => at(budget.value, 'spec', 'selector', 'matchLabels', 'app.kubernetes.io/name') === name,
    )
    expect(budgets).toHaveLength(1)
    expect(at(budgets[0]?.value, 'spec', 'maxUnavailable')).toBe(1)
  })
})

it('GPU workers go to nodes with a GPU and take one', () => {
  const pod = at(ofKind('Deployment').find(({ name }) => name === 'layermill-worker-cuda')?.value, 'spec', 'template', 'spec')
  expect(at(pod, 'nodeSelector')).toEqual({ 'nvidia.com/gpu.present': 'true' })
  expect(at(pod, 'tolerations')).toEqual([{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }])
  expect(at(pod, 'containers', 0, 'resources', 'limits', 'nvidia.com/gpu')).toBe(1)
})

it('the service reaches the orchestrator', () => {
  const [service] = ofKind('Service')
  expect(at(service?.value, 'spec', 'selector')).toEqual({ 'app.kubernetes.io/name': 'layermill-orchestrator' })
  expect(at(service?.value, 'spec', 'ports', 0, 'targetPort')).toBe('http')
})

it('every worker scales on the backlog, with a floor and a ceiling', () => {
  const workers = ofKind('Deployment')
    .map(({ name }) => name)
    .filter(name => name.includes('worker'))
  expect(ofKind('ScaledObject').map(({ value }) => at(value, 'spec', 'scaleTargetRef', 'name'))).toEqual(workers)
  for (const { value } of ofKind('ScaledObject')) {
    const isGpu = textAt(value, 'metadata', 'name').endsWith('cuda')
    expect(at(value, 'spec', 'minReplicaCount')).toBe(isGpu ? 0 : 1)
    expect(Number(at(value, 'spec', 'maxReplicaCount'))).toBeGreaterThan(Number(at(value, 'spec', 'minReplicaCount')))
    const trigger = at(value, 'spec', 'triggers', 0)
    expect(at(trigger, 'type')).toBe('prometheus')
    // A worker has two parts in flight: a third job is work for another.
    expect(at(trigger, 'metadata', 'threshold')).toBe('2')
    expect(at(trigger, 'metadata', 'activationThreshold')).toBe(isGpu ? '0' : undefined)
    expect(String(at(trigger, 'metadata', 'query'))).toContain('layermill_queue_backlog_jobs')
    // Without an answer the number of workers stays, instead of falling to the floor in mid-run.
    expect(at(trigger, 'metadata', 'ignoreNullValues')).toBe('false')
    expect(at(value, 'spec', 'fallback')).toBeUndefined()
  }
  // Nobody else sets it, or each deployment would undo what KEDA did.
  for (const name of workers) expect(at(ofKind('Deployment').find(one => one.name === name)?.value, 'spec', 'replicas')).toBeUndefined()
})

it('nobody reaches anybody unless a policy says so', () => {
  const policies = new Map(ofKind('NetworkPolicy').map(({ name, value }) => [name, at(value, 'spec')]))
  expect(policies.get('layermill-default-deny')).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
  // By a label that every kind of worker has, also those of a component or an overlay.
  expect(at(policies.get('layermill-worker'), 'podSelector')).toEqual({ matchLabels: { 'app.kubernetes.io/component': 'worker' } })
  const ports = itemsOf(at(policies.get('layermill-egress'), 'egress')).map(rule => {
    expect(at(rule, 'to')).toBeUndefined()
    return itemsOf(at(rule, 'ports')).map(port => `${String(at(port, 'protocol'))} ${String(at(port, 'port'))}`)
  })
  // Names; then Redis, PostgreSQL, HTTPS and the S3 server.
  expect(ports).toEqual([
    ['UDP 53', 'TCP 53'],
    ['TCP 6379', 'TCP 5432', 'TCP 443', 'TCP 8333'],
  ])
  for (const policy of ['layermill-worker', 'layermill-orchestrator']) {
    expect(itemsOf(at(policies.get(policy), 'ingress')).flatMap(rule => itemsOf(at(rule, 'ports')))).toEqual([
      { protocol: 'TCP', port: 8080 },
    ])
  }
})

it('no manifest but the example holds a secret', () => {
  for (const { file } of ofKind('Secret')) expect(file).toBe('secrets.example.yaml')
  for (const file of manifestFiles()) expect(read(`infra/kubernetes/${file}`)).not.toMatch(/AKIA|lm_[\w-]{20}/)
})
