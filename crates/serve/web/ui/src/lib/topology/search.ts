// Search of everything in one environment, as it is at a version, or in all of them.
import { get } from '../api';
import type { Finder, Found } from '../search';
import { api, nameOf, outlineOfType, signOfLevel, typeName } from './text';
import type { EnvironmentInfo, Hit } from './types';

export interface ObjectFound extends Found {
  environment: string;
  object: Hit;
}

const LIMIT = 20;

async function find(environment: string, at: string | undefined, q: string, signal: AbortSignal, type?: string): Promise<ObjectFound[]> {
  const { results } = await get<{ results: Hit[] }>(api(environment, '/search'), { q, at, type, limit: LIMIT }, signal);
  return results.map((object) => ({
    environment,
    object,
    key: `${environment} ${object.key}`,
    label: nameOf(object),
    detail: object.host ?? object.id,
    note: typeName(object.type) + (object.field === 'name' ? '' : ` · by ${object.field}`),
    outline: outlineOfType(object.type),
    sign: signOfLevel(object.status, object.stale !== null),
  }));
}

export const objectSearch =
  (environment: string, at?: string): Finder<ObjectFound> =>
  (q, signal) =>
    find(environment, at, q, signal);

/** The best of each environment, one after the other. */
export const everywhere: Finder<ObjectFound> = async (q, signal) => {
  const { environments } = await get<{ environments: EnvironmentInfo[] }>('/topology/environments', {}, signal);
  const all = await Promise.all(environments.map(({ name }) => find(name, undefined, q, signal).catch(() => [])));
  const out: ObjectFound[] = [];
  for (let i = 0; i < LIMIT; i++) for (const hits of all) if (hits[i]) out.push({ ...hits[i]!, note: `${hits[i]!.note} · ${hits[i]!.environment}` });
  return out;
};
