export declare function isInstalled(folder?: string): Promise<boolean>
