import { expect, it } from 'vitest'
import { matrix, plainProduct, type ProductForm } from '@layermill/analysis'
import { Random } from '@layermill/core'
import { openProduct } from './product.js'

it.each(['nn', 'nt', 'tn'] as const)('multiplies %s as loops do', async (form: ProductForm) => {
  const random = new Random(`product:${form}`)
  const draw = (rows: number, columns: number) =>
    matrix(
      rows,
      columns,
      Float64Array.from({ length: rows * columns }, () => random.between(-1, 1)),
    )
  const [m, n, k] = [37, 53, 129]
  const a = form === 'tn' ? draw(k, m) : draw(m, k)
  const b = form === 'nt' ? draw(n, k) : draw(k, n)
  const fast = await openProduct()
  try {
    const found = await fast.product(a, b, form)
    const expected = await plainProduct(a, b, form)
    expect([found.rows, found.columns]).toEqual([m, n])
    expect(Math.max(...found.data.map((value, i) => Math.abs(value - expected.data[i]!)))).toBeLessThan(1e-13)
    const again = await openProduct()
    expect((await again.product(a, b, form)).data).toEqual(found.data)
    await again.close()
    await expect(fast.product(a, matrix(2, 2), form)).rejects.toThrow('product')
  } finally {
    await fast.close()
  }
})
