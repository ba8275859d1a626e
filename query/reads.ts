// The reads of the API, each a row: where it is, what it takes, what it costs, what answers it. Routes and the OpenAPI
// document's parameters are made from this table.

import { noParameters, type ReadParameters } from '../domain/requests/parameters.ts';
import { itemSubjectParameters } from './core/item-subject-page.ts';
import { lineItemParameters } from './core/line-item-page.ts';
import { subjectParameters } from './core/subject-page.ts';
import { unpricedParameters } from './core/unpriced-page.ts';
import { usageParameters } from './core/usage-request.ts';
import type { Read, StreamedRead, ToCustomers } from './read.ts';
import type { ReadCost } from './read-admission.ts';
import { eventParameters, eventsParameters, readEvent, readEvents } from './routes/event-route.ts';
import { listItemSubjects, streamItemSubjects } from './routes/item-subject-route.ts';
import { listLineItems } from './routes/line-item-route.ts';
import { listRefusals, refusalParameters } from './routes/refusal-route.ts';
import { readStatus } from './routes/status-route.ts';
import { listSubjects } from './routes/subject-route.ts';
import { listUnpriced } from './routes/unpriced-route.ts';
import { listMeters, readMeterUsage, streamMeterUsage } from './routes/usage-route.ts';

export interface RouteRead {
  readonly read: Read;
  /** Where its answer may be longer than one document. */
  readonly stream?: StreamedRead;
  readonly cost: ReadCost;
  readonly parameters: ReadParameters;
  /** Left out: a key that is limited to a customer is refused. */
  readonly toCustomers?: ToCustomers;
}

/** By the path that the document has. */
export const reads: Readonly<Record<string, RouteRead>> = {
  '/v1/meters': { read: listMeters, cost: 'light', parameters: noParameters, toCustomers: 'all' },
  '/v1/meters/{meter}/usage': {
    ...{ read: readMeterUsage, stream: streamMeterUsage, cost: 'usage', parameters: usageParameters },
    toCustomers: 'named',
  },
  '/v1/subjects': { read: listSubjects, cost: 'usage', parameters: subjectParameters, toCustomers: 'own' },
  '/v1/events': { read: readEvents, cost: 'usage', parameters: eventsParameters, toCustomers: 'own' },
  '/v1/events/{id}': { read: readEvent, cost: 'usage', parameters: eventParameters, toCustomers: 'own' },
  '/v1/refusals': { read: listRefusals, cost: 'billing', parameters: refusalParameters, toCustomers: 'own' },
  '/v1/line-items': { read: listLineItems, cost: 'billing', parameters: lineItemParameters, toCustomers: 'billed' },
  '/v1/line-item-subjects': {
    ...{ read: listItemSubjects, stream: streamItemSubjects, cost: 'usage', parameters: itemSubjectParameters },
    toCustomers: 'billed',
  },
  '/v1/unpriced': { read: listUnpriced, cost: 'usage', parameters: unpricedParameters },
  '/v1/status': { read: readStatus, cost: 'light', parameters: noParameters, toCustomers: 'all' },
};

/** An event's id may be longer than the router lets a parameter be, and hold a slash; a wildcard takes both. */
export const urlOf = (path: string): string => path.replace('{id}', '*').replace(/\{(\w+)\}/g, ':$1');
