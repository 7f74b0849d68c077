export function pins(root: string, name: string): { flags: string[]; loose: string[] }
