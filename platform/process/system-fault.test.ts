import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { reasonOf, systemFault } from './system-fault.ts';

const thrownBy = (act: () => void): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

describe('systemFault', () => {
  it('says what was tried, where, what is wrong and what to do', () => {
    const error = Object.assign(new Error("EROFS: read-only file system, mkdir '/data'"), {
      code: 'EROFS',
      syscall: 'mkdir',
      path: '/data',
    });
    expect(systemFault(error)).toBe(
      'mkdir /data: the file system is read-only (EROFS): choose another directory, or make this one writable',
    );
  });

  it('reads what Node itself throws', async () => {
    expect(systemFault(thrownBy(() => mkdirSync('/proc/tallyline')))).toMatch(/^mkdir \/proc\/tallyline: /);
    const refused = await new Promise((resolve) => connect(1, '127.0.0.1').on('error', resolve));
    expect(systemFault(refused)).toMatch(/^connect 127\.0\.0\.1:1: nothing listens there \(ECONNREFUSED\): start /);
    expect(systemFault(new AggregateError([refused]))).toBe(systemFault(refused));
  });

  it('leaves other errors to say it themselves', () => {
    expect(systemFault(new Error('something else'))).toBeNull();
    expect(systemFault(Object.assign(new Error('x'), { code: 'toString' }))).toBeNull();
    expect(reasonOf(new Error('something else'))).toBe('something else');
    expect(reasonOf('words')).toBe('words');
  });
});
