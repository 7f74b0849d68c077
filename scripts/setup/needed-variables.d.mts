export declare function neededVariables(filters: readonly string[]): Promise<Set<string>>
