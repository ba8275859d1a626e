// What a gateway under attack says of itself.
import { promisify } from 'node:util';
import type { Gateway } from '../bad-input/gateway.ts';

/** The sum of a metric's values that have these labels. */
export async function metric(gateway: Gateway, name: string, labels: Record<string, string> = {}): Promise<number> {
  const { values } = await gateway.registry.getSingleMetric(name)!.get();
  const matching = values.filter((each) =>
    Object.entries(labels).every(([label, value]) => (each.labels as Record<string, unknown>)[label] === value),
  );
  return matching.reduce((sum, { value }) => sum + value, 0);
}

/** Sockets that its process holds. */
export const socketsOf = ({ app }: Gateway): Promise<number> =>
  promisify(app.server.getConnections.bind(app.server))() as Promise<number>;

/** Bytes that the bodies of its requests hold. */
export const heldBytes = (gateway: Gateway): Promise<number> => metric(gateway, 'tallyline_ingest_body_bytes');
