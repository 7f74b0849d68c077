/** What this package uses of WebAssembly, which Node.js has and neither ES2023's nor Node's types declare without the DOM's. */
declare namespace WebAssembly {
  class Module {
    private constructor()
  }
  class Memory {
    private constructor()
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
  class Instance {
    constructor(module: Module)
    readonly exports: Readonly<Record<string, unknown>>
  }
  function compile(bytes: Uint8Array): Promise<Module>
}
