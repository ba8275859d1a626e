// What names an account object in a path. The caller chooses it, it stands in rows and on bills for ever, and it is not
// encrypted: it must not be a person's data.
import { nameFault } from '../../domain/name-text.ts';
import { Problem } from '../../domain/problem.ts';

/** In words that follow "must"; null: it can be an id. Clients fold the last two in a path. */
export function idFault(id: string): string | null {
  if (id === '') return 'not be empty';
  if (id === '.' || id === '..') return 'not be . or .., which clients fold in a path';
  return nameFault(id);
}

/** Throws a `Problem` that names the parameter. */
export function readPathId(name: string, id: string): string {
  const fault = idFault(id);
  if (fault !== null) throw new Problem('invalid_parameter', `${name}: must ${fault}`);
  return id;
}
