// The bytes of a metadata request, version 10, and of its answer. Source: Apache Kafka protocol guide, "Metadata".
import { expect, it } from '@jest/globals';
import { decodeTopicId, encodeTopicIdRequest } from './topic-id-reader.ts';

it('asks for one topic by name, and for nothing to be made', () => {
  expect(encodeTopicIdRequest('ab').toString('hex')).toBe(`0002${'00'.repeat(16)}036162${'00'.repeat(5)}`);
});

const topicId = '0123456789abcdef0123456789abcdef';
const answer = (errorCode: number, topics = 2): Buffer =>
  Buffer.from(
    '00' + // no tagged fields of the header
      '00000000' + // throttle time
      '02' + // one broker
      '00000001' + // node id
      '0461626300002384' + // host, port
      '00' + // no rack
      '00' + // no tagged fields
      '0378797a'.slice(0, 6) + // cluster id
      '00000001' + // controller
      topics.toString(16).padStart(2, '0') +
      errorCode.toString(16).padStart(4, '0') +
      '036162' + // its name
      topicId,
    'hex',
  );

it('reads its id and error from the answer', () => {
  expect(decodeTopicId(answer(0))).toEqual({ errorCode: 0, topicId });
  expect(decodeTopicId(answer(3)).errorCode).toBe(3);
});

it('refuses an answer for anything but one topic', () => {
  expect(() => decodeTopicId(answer(0, 3))).toThrow('exactly the topic');
});
