// In which form a client wants an answer that has several: the one that its Accept header likes best. Whoever takes
// anything, or names nothing that there is, gets one JSON document, as from every other read.

/** A form that is sent while it is read. */
export type StreamForm = 'ndjson' | 'csv';

const forms: Readonly<Record<string, StreamForm | 'json'>> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
  'application/*': 'json',
  '*/*': 'json',
};

/** RFC 9110, section 12.5.1; of those that are liked as much, the first. */
export function acceptedForm(accept: string | undefined): StreamForm | 'json' {
  let best: StreamForm | 'json' = 'json';
  let bestQuality = 0;
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [mediaType = '', ...parameters] = range.split(';').map((part) => part.trim());
    const form = Object.hasOwn(forms, mediaType) ? forms[mediaType] : undefined;
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
    if (form === undefined || !/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(quality)) continue;
    if (Number(quality) <= bestQuality) continue;
    best = form;
    bestQuality = Number(quality);
  }
  return best;
}
