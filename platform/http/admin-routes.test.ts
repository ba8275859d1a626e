import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { Gauge } from 'prom-client';
import { createRegistry, registerAdminRoutes } from './admin-routes.ts';
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
    const asked = await Promise.all(Array.from({ length: 200 }, scrape));
    expect(new Set(asked)).toEqual(new Set([1]));
    const deadline = performance.now() + 5_000;
    while ((await scrape()) === 1) expect(performance.now()).toBeLessThan(deadline);
  } finally {
    await app.close();
  }
});
