export function writeCharts(): void {}
