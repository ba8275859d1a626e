import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { Gauge } from 'prom-client';
import { createRegistry, METRICS_AGE_MAX_MS, registerAdminRoutes } from './admin-routes.ts';
import { createHttpApp } from './app.ts';

it('writes the metrics once for all who ask at the same time, and anew for a scrape', async () => {
  const app = createHttpApp(pino({ level: 'silent' }));
  const registry = createRegistry();
  let written = 0;
  new Gauge({
    name: 'tallyline_test_written',
    help: 'How often the metrics were written.',
    registers: [registry],
    collect() {
      this.set(++written);
    },
  });
  registerAdminRoutes(app, registry, () => []);
  const scrape = async () => {
    const { headers, body } = await app.inject('/metrics');
    expect(headers['content-type']).toBe(registry.contentType);
    return Number(/^tallyline_test_written (\d+)$/m.exec(body)![1]);
  };
  try {
    const from = performance.now();
    const asked = await Promise.all(Array.from({ length: 200 }, scrape));
    const ages = Math.floor((performance.now() - from) / METRICS_AGE_MAX_MS);
    expect(new Set(asked).size).toBeLessThanOrEqual(1 + ages);
    const deadline = performance.now() + 5_000;
    while ((await scrape()) === asked.at(-1)) expect(performance.now()).toBeLessThan(deadline);
  } finally {
    await app.close();
  }
});
