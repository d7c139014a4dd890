// The lists of a comparison, each as rows of one form: what, how it changed, and in what.
import { keyOf, levelText, linkName, typeName, valueText } from './text';
import type { AttributeChange, ChangeKind, CliqueChange, DiffAnswer, DiffKinds, HealthChange, LinkChange, LinkKey, ObjectChange } from './types';

export type DiffList = 'picture' | 'objects' | 'links' | 'cliques' | 'health' | 'tenants';

export interface DiffRow {
  id: string;
  /** The object to show, as type/id; null for a tenant. */
  key: string | null;
  name: string;
  type: string;
  kind: ChangeKind | null;
  tenant: string;
  /** In a line. */
  text: string;
  attributes: AttributeChange[];
}

export const sum = (kinds: DiffKinds): number => Object.values(kinds).reduce((all, n) => all + n, 0);

export const DIFF_LISTS: { list: DiffList; name: string; count?: (answer: DiffAnswer) => number }[] = [
  { list: 'picture', name: 'Picture' },
  { list: 'objects', name: 'Objects', count: ({ totals }) => sum(totals.objects) },
  { list: 'links', name: 'Links', count: ({ totals }) => sum(totals.links) },
  { list: 'cliques', name: 'Cliques', count: ({ totals }) => totals.cliques },
  { list: 'health', name: 'Health', count: ({ totals }) => totals.health },
  { list: 'tenants', name: 'By tenant', count: ({ by_tenant }) => Object.keys(by_tenant).length },
];

const plainLink = ({ link_type, source, target, distinct }: LinkKey): string => `${link_type} ${keyOf(source)} ${keyOf(target)} ${distinct ?? ''}`;
const changes = (attributes: AttributeChange[]): string => attributes.map(({ name, before, after }) => `${name}: ${valueText(before) || 'nothing'} → ${valueText(after) || 'nothing'}`).join('; ');
const healthText = (before: string, after: string): string => `${before.toLowerCase()} → ${after.toLowerCase()}`;

function objectRow(change: ObjectChange): DiffRow {
  const attributes = change.attributes ?? [];
  const moved = change.place_before || change.place_after ? `${change.place_before ?? 'nowhere'} → ${change.place_after ?? 'nowhere'}` : '';
  const stale = change.stale === undefined ? '' : change.stale ? 'no longer vouched for' : 'vouched for again';
  return {
    id: keyOf(change), key: keyOf(change), name: change.name || change.id, type: typeName(change.type), kind: change.kind, tenant: change.tenant ?? '',
    text: [moved, stale, change.kind === 'added' || change.kind === 'removed' ? '' : changes(attributes)].filter(Boolean).join('; '), attributes,
  };
}

const linkRow = (link: LinkChange): DiffRow => ({
  id: plainLink(link), key: keyOf(link.source), name: `${link.source.id} → ${link.target.id}`, type: linkName(link.link_type), kind: link.kind, tenant: '',
  text: changes(link.attributes ?? []), attributes: link.attributes ?? [],
});

const cliqueRow = (clique: CliqueChange): DiffRow => ({
  id: `${keyOf(clique.focal)} ${clique.clique_type}`, key: keyOf(clique.focal), name: clique.focal.id, type: typeName(clique.focal.type), kind: clique.kind, tenant: '',
  text: [
    `${clique.links_added.length} links more, ${clique.links_removed.length} fewer`,
    clique.health_before === clique.health_after ? '' : healthText(levelText(clique.health_before), levelText(clique.health_after)),
  ].filter(Boolean).join('; '),
  attributes: [
    ...clique.links_added.map((link) => ({ name: linkName(link.link_type), after: `${link.source.id} → ${link.target.id}` })),
    ...clique.links_removed.map((link) => ({ name: linkName(link.link_type), before: `${link.source.id} → ${link.target.id}` })),
  ],
});

function healthRow({ subject, before, after, text }: HealthChange): DiffRow {
  const said = `${healthText(levelText(before), levelText(after))}${text ? `: ${text}` : ''}`;
  const base = { kind: 'changed' as const, tenant: '', text: said, attributes: [] };
  if ('object' in subject) return { ...base, id: keyOf(subject.object), key: keyOf(subject.object), name: subject.object.id, type: typeName(subject.object.type) };
  const { link } = subject;
  return { ...base, id: plainLink(link), key: keyOf(link.source), name: `${link.source.id} → ${link.target.id}`, type: linkName(link.link_type) };
}

export const tenantRows = ({ by_tenant }: DiffAnswer): DiffRow[] =>
  Object.entries(by_tenant).map(([tenant, counts]) => ({
    id: tenant || '-', key: null, name: tenant || 'of no tenant', type: 'Tenant', kind: null, tenant,
    text: Object.entries(counts).map(([kind, n]) => `${n} ${kind}`).join(', '), attributes: [],
  }));

/** A row of the API's list, as the table shows it. */
export function diffRow(list: DiffList, row: unknown): DiffRow {
  switch (list) {
    case 'links': return linkRow(row as LinkChange);
    case 'cliques': return cliqueRow(row as CliqueChange);
    case 'health': return healthRow(row as HealthChange);
    default: return objectRow(row as ObjectChange);
  }
}
