import { LayermillError } from '@layermill/core'
import { classesCalled, classFinder } from '@layermill/inference'
import { type ClassMetrics, Metrics } from '@layermill/training'

/** An image with the class that it is of. */
export interface KnownImage {
  readonly key: string
  readonly label: string
}

/** One image's likeliest classes, likeliest first. */
export interface Prediction {
  readonly key: string
  readonly classes: readonly { readonly index: number; readonly label: string; readonly probability: number }[]
}

/** How well a model recognises labelled images. Shares are from 0 to 1. */
export interface ModelEvaluation {
  /** Images that were predicted. */
  readonly images: number
  /** Share of them whose class is the likeliest one, and among the five likeliest. */
  readonly accuracy: number
  readonly top5: number
  /** Mean F1 of the classes that have images. */
  readonly macroF1: number
  readonly classes: readonly (ClassMetrics & { readonly name: string })[]
  /** `confusion[label][predicted]`, counts, in the order of `classes`. */
  readonly confusion: readonly (readonly number[])[]
  /** Images that were not recognised, surest first. */
  readonly mistakes: readonly { readonly key: string; readonly label: string; readonly predicted: string; readonly probability: number }[]
}

/** Mistakes kept for the report. */
const keptMistakes = 24
/** Ranks within which an image's class counts for the second share. */
const ranks = 5

/** @throws LayermillError `CLASS_UNKNOWN` where the model cannot know the class of an image */
export function checkLabels(images: readonly KnownImage[], names: readonly string[], model: string): void {
  const find = classFinder(names)
  const unknown = [...new Set(images.map(({ label }) => label))].filter(label => find(label) === undefined)
  if (unknown.length === 0) return
  const alike = unknown.map(label => ({ label, classes: classesCalled(names, label) })).find(({ classes }) => classes.length > 1)
  if (alike !== undefined) {
    throw new LayermillError('CLASS_UNKNOWN', `${model} has several classes called ${alike.label}: ${alike.classes.join(', ')}`, {
      hint: "label images of these with the class's number from 0, or with its synset id where the classes are ImageNet's",
    })
  }
  const some = (texts: readonly string[]): string => `${texts.slice(0, 5).join(', ')}${texts.length > 5 ? ', ...' : ''}`
  throw new LayermillError(
    'CLASS_UNKNOWN',
    `${model} has no class${unknown.length > 1 ? 'es' : ''} ${some(unknown)}; its ${names.length} classes are ${some(names)}`,
    {
      hint: 'labels are names of its classes, or their numbers from 0',
    },
  )
}

/**
 * Holds predictions against what the images are.
 * @param names the model's classes, in the order of its scores
 * @param predictions of images among `images`; those of others are left out, and so are images without one
 * @throws LayermillError `CLASS_UNKNOWN`
 */
export function scorePredictions(
  images: readonly KnownImage[],
  predictions: Iterable<Prediction>,
  names: readonly string[],
  model: string,
): ModelEvaluation {
  checkLabels(images, names, model)
  const find = classFinder(names)
  const labels = new Map(images.map(({ key, label }) => [key, find(label)!]))
  const known = [...predictions].flatMap(({ key, classes }) => {
    const label = labels.get(key)
    return label === undefined || classes.length === 0 ? [] : [{ key, label, classes }]
  })
  // Of a network with a thousand classes, those that occur.
  const present = new Set(known.flatMap(({ label, classes }) => [label, classes[0]!.index]))
  const shown = names.map((_, i) => i).filter(i => names.length <= mostShown || present.has(i))
  const places = new Map(shown.map((index, place) => [index, place]))
  const metrics = new Metrics(shown.length)
  for (const { label, classes } of known) metrics.count(places.get(label)!, places.get(classes[0]!.index)!)
  const { accuracy, macroF1, perClass, confusion } = metrics.summary()
  const among = known.filter(({ label, classes }) => classes.slice(0, ranks).some(({ index }) => index === label)).length
  const mistakes = known
    .filter(({ label, classes }) => classes[0]!.index !== label)
    .map(({ key, label, classes: [top] }) => ({ key, label: names[label]!, predicted: top!.label, probability: top!.probability }))
    .toSorted((a, b) => b.probability - a.probability || (a.key < b.key ? -1 : 1))
    .slice(0, keptMistakes)
  return {
    images: known.length,
    accuracy,
    top5: known.length === 0 ? 0 : among / known.length,
    macroF1,
    classes: perClass.map((found, place) => ({ name: names[shown[place]!]!, ...found })),
    confusion,
    mistakes,
  }
}

/** Classes up to which all of a model are shown, also those without images. */
const mostShown = 200
