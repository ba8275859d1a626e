import { describe, expect, it } from '@jest/globals';
import { RequestBody, type WayToSend } from './request-body.ts';
import { manySubjects, UsageStream } from './usage-stream.ts';

const time = Date.parse('2026-11-20T10:00:00Z');
const ids = (body: RequestBody): string[] =>
  [JSON.parse(body.bytes.toString())].flat().map((event: { id: string }) => event.id);

describe('request body', () => {
  it('numbers every event of a batch anew', () => {
    const body = new RequestBody(new UsageStream({ ...manySubjects, stream: 7 }), 3, time);
    body.number(998);
    expect(ids(body)).toEqual(['e007000000000998', 'e007000000000999', 'e007000000001000']);
  });

  it('holds a single event without an array', () => {
    const body = new RequestBody(new UsageStream({ ...manySubjects, stream: 7 }), 1, time);
    body.number(123_456_789_012);
    expect(JSON.parse(body.bytes.toString())).toMatchObject({ id: 'e007123456789012', type: 'llm.call' });
  });

  it('numbers the lines and the CloudEvents as well', () => {
    const textOf = (way: WayToSend, events: number): string => {
      const body = new RequestBody(new UsageStream({ ...manySubjects, stream: 7 }), events, time, way);
      body.number(5);
      return body.bytes.toString();
    };
    const lines = textOf('ndjson', 2).split('\n');
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(['e007000000000005', 'e007000000000006']);
    const event = { id: 'e007000000000005', specversion: '1.0', type: 'llm.call', data: expect.anything() };
    expect(JSON.parse(textOf('cloudevents as json', 1))).toMatchObject(event);
    expect(JSON.parse(textOf('cloudevents batch', 1))).toEqual([expect.objectContaining(event)]);
  });
});
