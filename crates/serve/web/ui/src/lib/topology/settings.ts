// What the wizard asks: sources, their fields and secrets as the API's configuration has them, and what each may hold. The form is built
// from this, and so is what is sent.
import type { Config } from './types';

export type Kind = 'text' | 'number' | 'switch' | 'choice' | 'list' | 'area' | 'addresses' | 'targets';
export interface Field {
  /** The member of the source's configuration; with a dot, of an object inside it. */
  name: string;
  label: string;
  kind: Kind;
  required?: boolean;
  hint?: string;
  /** The value it has when nothing is said. */
  initial?: string;
  choices?: string[];
  check?: (text: string) => string;
}
export interface SecretField {
  name: string;
  label: string;
  /** A key of several lines. */
  long?: boolean;
  required?: boolean;
}
export interface Source {
  id: string;
  name: string;
  text: string;
  /** What the connection test is called. */
  probe: string;
  fields: Field[];
  secrets: SecretField[];
}

const lines = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter(Boolean);
/** Lines of the form name = value. */
const pairs = (text: string): [string, string][] =>
  lines(text).map((line) => {
    const cut = line.indexOf('=');
    return cut < 0 ? [line, ''] : [line.slice(0, cut).trim(), line.slice(cut + 1).trim()];
  });

const url = (text: string): string => {
  try {
    return /^https?:$/.test(new URL(text).protocol) ? '' : 'An address begins with https:// or http://.';
  } catch {
    return 'Not an address: write it as https://host:port/path.';
  }
};
const port = (text: string): string => (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535 ? '' : 'A port is a number from 1 to 65535.');
const host = (text: string): string => (/[\s/]/.test(text) ? 'A host name or address only: no scheme, path or space.' : '');
const path = (text: string): string => (text.startsWith('/') ? '' : 'A full path on the controller, such as /etc/netwright/known_hosts.');
const libvirt = (text: string): string => (/^[a-z]+:\/\/\/[A-Za-z0-9._/-]*$/.test(text) ? '' : 'A connection on the host itself, such as qemu:///system.');
const atLeastOne = (text: string): string => (/^\d+$/.test(text) && Number(text) > 0 ? '' : 'A whole number above 0.');
/** Every line is a name and a value, and the value is as it should be. */
const everyLine = (shape: string, value: (text: string) => string = () => '') => (text: string): string => {
  const wrong = lines(text).find((line) => !/^[^\s=]+\s*=\s*\S+$/.test(line) || value(line.slice(line.indexOf('=') + 1).trim()));
  return wrong === undefined ? '' : `“${wrong}” is not of the form ${shape}.`;
};
const pem = (text: string): string => (text.includes('-----BEGIN CERTIFICATE-----') ? '' : 'One or more certificates in PEM: -----BEGIN CERTIFICATE-----.');
const AUTHORITIES: Field = { name: 'authorities', label: 'Trusted authorities', kind: 'area', hint: 'PEM, instead of the system’s; for a private CA.', check: pem };
const TLS: Field = { name: 'tls', label: 'TLS', kind: 'switch', hint: 'The certificate and the name in it are checked. Without it, secrets and answers go in clear text.' };
const URL_FIELD: Field = { name: 'url', label: 'Address', kind: 'text', required: true, check: url };
const USER: Field = { name: 'user', label: 'User', kind: 'text', required: true };

export const SOURCES: Source[] = [
  {
    id: 'openstack', name: 'OpenStack', probe: 'openstack', text: 'Keystone, Nova and Neutron, read through their APIs. A user with the reader role on all projects is enough.',
    fields: [
      { ...URL_FIELD, label: 'Keystone', hint: 'https://keystone.example:5000/v3' }, USER,
      { name: 'user_domain', label: 'User domain', kind: 'text', initial: 'Default' },
      { name: 'project', label: 'Project', kind: 'text', required: true },
      { name: 'project_domain', label: 'Project domain', kind: 'text', initial: 'Default' },
      { name: 'interface', label: 'Interface', kind: 'choice', choices: ['public', 'internal', 'admin'], initial: 'public' },
      { name: 'region', label: 'Region', kind: 'text', hint: 'Only if the catalogue has several.' },
      { name: 'endpoint_host', label: 'Host of all endpoints', kind: 'text', hint: 'If the catalogue’s addresses are not reached from here.', check: host },
      AUTHORITIES,
    ],
    secrets: [{ name: 'openstack_password', label: 'Password', required: true }],
  },
  {
    id: 'ssh', name: 'Hosts', probe: 'ssh', text: 'Linux hosts by SSH: bridges, Open vSwitch, OVN, namespaces, libvirt, NICs. Only commands that read are run, and host keys are always checked.',
    fields: [
      USER, { name: 'port', label: 'Port', kind: 'number', initial: '22', check: port },
      { name: 'known_hosts', label: 'Known hosts file', kind: 'text', required: true, hint: 'On the controller. Hosts whose key is not in it are refused.', check: path },
      { name: 'sudo', label: 'Use sudo -n where root is needed', kind: 'switch' },
      { name: 'libvirt_uri', label: 'libvirt connection', kind: 'text', hint: 'Only where virsh would choose another: qemu:///system.', check: libvirt },
      { name: 'hosts', label: 'Hosts', kind: 'list', hint: 'One a line, besides those the cloud names.' },
      { name: 'addresses', label: 'Reached elsewhere', kind: 'addresses', hint: 'One a line: name = address:port', check: everyLine('name = address:port') },
      { name: 'connect_seconds', label: 'Seconds to connect', kind: 'number', initial: '10', check: atLeastOne },
      { name: 'jump.address', label: 'Jump host', kind: 'text', check: host },
      { name: 'jump.port', label: 'Jump host port', kind: 'number', initial: '22', check: port },
      { name: 'jump.user', label: 'Jump host user', kind: 'text' },
    ],
    secrets: [
      { name: 'ssh_key', label: 'Private key', long: true }, { name: 'ssh_key_passphrase', label: 'Passphrase of the key' }, { name: 'ssh_password', label: 'Password, if there is no key' },
      { name: 'jump_key', label: 'Jump host key', long: true }, { name: 'jump_key_passphrase', label: 'Passphrase of the jump host key' }, { name: 'jump_password', label: 'Jump host password' },
    ],
  },
  {
    id: 'sql', name: 'SQL', probe: 'sql', text: 'The databases of Nova and Neutron, read only, where the APIs do not tell enough.',
    fields: [
      { name: 'engine', label: 'Engine', kind: 'choice', choices: ['mysql', 'postgresql'], initial: 'mysql' },
      { name: 'host', label: 'Host', kind: 'text', required: true, check: host }, { name: 'port', label: 'Port', kind: 'number', required: true, initial: '3306', check: port }, USER,
      TLS, AUTHORITIES,
      { name: 'nova', label: 'Nova database', kind: 'text', initial: 'nova' }, { name: 'nova_api', label: 'Nova API database', kind: 'text', initial: 'nova_api' }, { name: 'neutron', label: 'Neutron database', kind: 'text', initial: 'neutron' },
    ],
    secrets: [{ name: 'sql_password', label: 'Password', required: true }],
  },
  {
    id: 'kubernetes', name: 'Kubernetes', probe: 'kubernetes', text: 'Nodes, pods and services, with Flannel, Calico or Cilium. A service account that may get and list is enough.',
    fields: [{ ...URL_FIELD, label: 'API server', hint: 'https://kubernetes.example:6443' }, AUTHORITIES],
    secrets: [{ name: 'kubernetes_token', label: 'Token of the service account', required: true }],
  },
  {
    id: 'aci', name: 'ACI', probe: 'aci', text: 'Cisco ACI: leaves, spines and the ports hosts are on.',
    fields: [{ ...URL_FIELD, label: 'APIC' }, USER, AUTHORITIES], secrets: [{ name: 'aci_password', label: 'Password', required: true }],
  },
  {
    id: 'gnmi', name: 'gNMI', probe: 'gnmi', text: 'Switches by gNMI: interfaces and LLDP neighbours in OpenConfig.',
    fields: [{ name: 'targets', label: 'Switches', kind: 'targets', required: true, hint: 'One a line: name = https://switch:9339, by the name its neighbours know it by.', check: everyLine('name = https://switch:9339', url) }, USER, AUTHORITIES],
    secrets: [{ name: 'gnmi_password', label: 'Password', required: true }],
  },
  {
    id: 'netwright', name: 'Netwright', probe: 'netwright', text: 'A cloud that Netwright itself runs: its intent and what its agents report. It needs no scan of hosts.',
    fields: [URL_FIELD, AUTHORITIES], secrets: [{ name: 'netwright_token', label: 'Token' }],
  },
  {
    id: 'amqp', name: 'Events', probe: 'amqp', text: 'Notifications of Nova and Neutron over RabbitMQ, so that the map follows changes between scans.',
    fields: [
      { name: 'host', label: 'Host', kind: 'text', required: true, check: host }, { name: 'port', label: 'Port', kind: 'number', initial: '5672', hint: 'With TLS mostly 5671.', check: port }, USER,
      { name: 'vhost', label: 'Virtual host', kind: 'text', initial: '/' }, TLS, AUTHORITIES,
      { name: 'exchanges', label: 'Exchanges', kind: 'list', hint: 'One a line; the services’ own if empty.' }, { name: 'topics', label: 'Topics', kind: 'list', hint: 'One a line; the services’ own if empty.' },
    ],
    secrets: [{ name: 'amqp_password', label: 'Password', required: true }],
  },
];

export interface GrantForm {
  who: 'user' | 'project' | 'role' | 'everyone';
  name: string;
  right: 'view' | 'scan' | 'edit';
  tenant: string;
}

/** The form: everything as text or truth, as inputs hold it. */
export interface Form {
  name: string;
  facts: { environment_type: string; distribution: string; distribution_version: string; mechanism_drivers: string; type_drivers: string };
  on: Record<string, boolean>;
  values: Record<string, Record<string, string | boolean>>;
  secrets: Record<string, string>;
  /** Secrets that are to be removed. */
  removed: Record<string, boolean>;
  grants: GrantForm[];
  parallel_hosts: string;
  host_seconds: string;
  tree: string;
}

function shown(field: Field, value: unknown): string | boolean {
  if (field.kind === 'switch') return value === true;
  if (value === undefined || value === null) return '';
  if (field.kind === 'targets') return (value as { name: string; url: string }[]).map(({ name, url }) => `${name} = ${url}`).join('\n');
  if (field.kind === 'addresses') return Object.entries(value as Record<string, { address: string; port?: number }>).map(([name, at]) => `${name} = ${at.address}:${at.port ?? 22}`).join('\n');
  return Array.isArray(value) ? value.join('\n') : String(value);
}

const inside = (config: Record<string, unknown> | undefined, name: string): unknown =>
  name.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], config);

export function formOf(config?: Config): Form {
  const facts = config?.facts;
  const form: Form = {
    name: config?.name ?? '',
    facts: {
      environment_type: facts?.environment_type || (config ? '' : 'OpenStack'), distribution: facts?.distribution ?? '', distribution_version: facts?.distribution_version ?? '',
      mechanism_drivers: facts?.mechanism_drivers?.join(', ') ?? '', type_drivers: facts?.type_drivers ?? '',
    },
    on: {}, values: {}, secrets: {}, removed: {}, grants: [],
    parallel_hosts: config?.parallel_hosts === undefined ? '' : String(config.parallel_hosts), host_seconds: config?.host_seconds === undefined ? '' : String(config.host_seconds), tree: String(config?.tree ?? ''),
  };
  for (const source of SOURCES) {
    const given = config?.[source.id] as Record<string, unknown> | undefined;
    form.on[source.id] = given !== undefined;
    form.values[source.id] = Object.fromEntries(source.fields.map((field) => [field.name, given ? shown(field, inside(given, field.name)) : field.kind === 'switch' ? false : (field.initial ?? '')]));
    for (const { name } of source.secrets) [form.secrets[name], form.removed[name]] = ['', false];
  }
  for (const grant of (config?.roles ?? []) as { to: 'everyone' | Record<string, string>; right: GrantForm['right']; tenant?: string }[]) {
    const [who, name] = typeof grant.to === 'string' ? ['everyone', ''] : Object.entries(grant.to)[0]!;
    form.grants.push({ who: who as GrantForm['who'], name: name!, right: grant.right, tenant: grant.tenant ?? '' });
  }
  return form;
}

function sent(field: Field, text: string | boolean | undefined): unknown {
  if (field.kind === 'switch') return text === true;
  const value = String(text ?? '').trim();
  if (field.kind === 'list') return lines(value);
  if (field.kind === 'targets') return pairs(value).map(([name, url]) => ({ name, url }));
  if (field.kind === 'addresses') return Object.fromEntries(pairs(value).map(([name, at]) => [name, addressOf(at)]));
  if (value === '') return undefined;
  return field.kind === 'number' ? Number(value) : value;
}

function addressOf(text: string): { address: string; port: number } {
  const cut = /^(.*):(\d+)$/.exec(text);
  return cut ? { address: cut[1]!, port: Number(cut[2]) } : { address: text, port: 22 };
}

export function configOf(form: Form): Config {
  const { facts } = form;
  const config: Config = {
    name: form.name.trim(),
    facts: { ...facts, mechanism_drivers: facts.mechanism_drivers.split(',').map((driver) => driver.trim()).filter(Boolean) },
    roles: form.grants.map(({ who, name, right, tenant }) => ({ to: who === 'everyone' ? 'everyone' : { [who]: name.trim() }, right, ...(tenant.trim() ? { tenant: tenant.trim() } : {}) })),
  };
  for (const { id, fields } of SOURCES) {
    if (!form.on[id]) continue;
    const out: Record<string, unknown> = {};
    for (const field of fields) {
      const value = sent(field, form.values[id]?.[field.name]);
      const [outer, inner] = field.name.split('.') as [string, string?];
      if (inner === undefined) {
        if (value !== undefined) out[outer] = value;
      } else if (form.values[id]?.[`${outer}.address`]) out[outer] = { ...(out[outer] as object), ...(value === undefined ? {} : { [inner]: value }) };
    }
    config[id] = out;
  }
  if (form.parallel_hosts.trim()) config.parallel_hosts = Number(form.parallel_hosts);
  if (form.host_seconds.trim()) config.host_seconds = Number(form.host_seconds);
  if (form.tree.trim()) config.tree = form.tree;
  return config;
}

/** Only the secrets that were typed; an empty one removes it. */
export function credentialsOf(form: Form): Record<string, string> {
  const typed = Object.entries(form.secrets).filter(([, text]) => text !== '');
  const removed = Object.entries(form.removed).filter(([name, gone]) => gone && !form.secrets[name]);
  return Object.fromEntries([...typed, ...removed.map(([name]) => [name, ''])]);
}

/** What is wrong, by tab and field: empty if nothing is. `set` are the secrets that are kept. */
export function faults(form: Form, set: string[]): Record<string, Record<string, string>> {
  const out: Record<string, Record<string, string>> = {};
  const fault = (tab: string, field: string, text: string): void => void ((out[tab] ??= {})[field] = text);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(form.name.trim())) fault('main', 'name', 'A name has 1 to 63 letters, digits, dots, dashes or underscores, and begins with a letter or digit.');
  if (!Object.values(form.on).some(Boolean)) fault('main', 'sources', 'Choose at least one way to read the environment.');
  for (const { id, fields, secrets } of SOURCES) {
    if (!form.on[id]) continue;
    for (const field of fields) {
      const text = String(form.values[id]?.[field.name] ?? '').trim();
      if (field.kind === 'switch') continue;
      const jumps = field.name.startsWith('jump.') && form.values[id]?.['jump.address'];
      if (field.required || (jumps && field.name === 'jump.user')) {
        if (!text) fault(id, field.name, 'This is needed.');
      }
      const wrong = text && field.check ? field.check(text) : '';
      if (wrong) fault(id, field.name, wrong);
    }
    const has = (name: string): boolean => Boolean(form.secrets[name]) || (set.includes(name) && !form.removed[name]);
    for (const secret of secrets) if (secret.required && !has(secret.name)) fault(id, secret.name, 'This is needed.');
    if (id === 'ssh' && !has('ssh_key') && !has('ssh_password')) fault(id, 'ssh_key', 'A key or a password is needed.');
  }
  form.grants.forEach((grant, i) => {
    if (grant.who !== 'everyone' && !grant.name.trim()) fault('roles', String(i), 'Say who.');
    if (grant.tenant.trim() && grant.right !== 'view') fault('roles', String(i), 'A grant for one tenant can only be to view.');
  });
  for (const name of ['parallel_hosts', 'host_seconds'] as const) if (form[name].trim() && atLeastOne(form[name].trim())) fault('scans', name, atLeastOne(form[name].trim()));
  return out;
}
