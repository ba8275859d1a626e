export function printModel(): void {}
