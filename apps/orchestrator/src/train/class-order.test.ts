import { describe, expect, it } from 'vitest'
import { orderClasses } from './class-order.js'

describe('the order of classes', () => {
  it.each([
    ['integers by number', ['10', '2', '0', '11', '1'], ['0', '1', '2', '10', '11']],
    ['negative ones too', ['3', '-1', '-10', '0'], ['-10', '-1', '0', '3']],
    ['integers that no double holds', ['9007199254740993', '9007199254740992', '5'], ['5', '9007199254740992', '9007199254740993']],
    ['equal numbers by their text', ['7', '07', '1'], ['1', '07', '7']],
    ['fractions', ['1.5', '10', '0.25', '-2', '1e-3'], ['-2', '1e-3', '0.25', '1.5', '10']],
    ['names by their bytes', ['b', 'a', 'B', 'ä'], ['B', 'a', 'b', 'ä']],
    ['numbers among names as names', ['10', '2', 'cat'], ['10', '2', 'cat']],
  ])('is of %s', (_what, labels, expected) => {
    expect(orderClasses([...labels, ...labels])).toEqual(expected)
  })

  it("is the dataset's own where it has one; classes without images are left out, labels it does not name follow", () => {
    expect(orderClasses(['ant', 'cat', 'dog'], ['dog', 'bird', 'ant', 'cat'])).toEqual(['dog', 'ant', 'cat'])
    expect(orderClasses(['12', '9', 'dog', 'ant'], ['dog', 'ant'])).toEqual(['dog', 'ant', '9', '12'])
  })
})
