// The descriptions of a deployment fit the code: every setting they give is one that the stages accept, every file they
// name is there, every stage is a command. Neither Docker nor Helm is needed for that.
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { STAGE_NODE_FLAGS } from '../../cli/stage/stage-node-flags.ts';
import { stageRooms, stageNames as stages } from '../../cli/stage/stage-table.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { variables } from '../../platform/settings/setting-variables.ts';
import { textOf as read, sourcesOf } from '../support/sources.ts';

const isSetting = (name: string): boolean =>
  Object.hasOwn(variables, name) ||
  (name.endsWith('_FILE') && 'secret' in (variables as Record<string, object>)[name.slice(0, -'_FILE'.length)]!);

describe('compose', () => {
  interface Service {
    readonly command: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
    readonly secrets?: readonly string[];
    readonly volumes?: readonly string[];
    readonly depends_on?: Readonly<Record<string, unknown>> | readonly string[];
    readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
    readonly build?: unknown;
  }
  const compose: {
    readonly services: Readonly<Record<string, Service>>;
    readonly secrets: Readonly<Record<string, { readonly file: string }>>;
    readonly volumes: Readonly<Record<string, unknown>>;
  } = parse(read('deploy/compose/compose.yaml'), { merge: true });
  const { services } = compose;

  it('runs every stage and the migration, each by its command', () => {
    for (const stage of [...stages, 'migrate']) expect(services[stage]?.command).toEqual([stage]);
    for (const [name, { build, healthcheck }] of Object.entries(services)) {
      if (build === undefined) expect({ name, test: healthcheck?.test }).toEqual({ name, test: expect.any(Array) });
    }
  });

  it('gives settings that are accepted', () => {
    for (const stage of [...stages, 'migrate']) {
      const { environment = {} } = services[stage]!;
      const { DATABASE_URL_FILE, CLICKHOUSE_URL_FILE, TALLYLINE_ACCOUNTS_KEY_FILE, ...rest } = environment;
      expect([DATABASE_URL_FILE, CLICKHOUSE_URL_FILE, TALLYLINE_ACCOUNTS_KEY_FILE]).toEqual([
        '/run/secrets/database-url',
        '/run/secrets/clickhouse-url',
        '/run/secrets/accounts-key',
      ]);
      const settings = parseSettings({
        ...rest,
        DATABASE_URL: 'postgresql://tallyline:secret@postgres:5432/tallyline',
        CLICKHOUSE_URL: 'http://tallyline:secret@clickhouse:8123/tallyline',
      });
      expect(settings.kafka?.brokers).toEqual(['kafka:9092']);
      expect(settings.log.replicationFactor).toBe(1);
    }
  });

  it('refers only to services, secrets, volumes and files that there are', () => {
    const made = read('deploy/compose/make-secrets.sh');
    for (const { file } of Object.values(compose.secrets)) expect(made).toContain(`make ${file.split('/').at(-1)} `);
    for (const { secrets = [], volumes = [], depends_on = {} } of Object.values(services)) {
      for (const secret of secrets) expect(compose.secrets).toHaveProperty([secret]);
      for (const needed of Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)) {
        expect(services).toHaveProperty([needed]);
      }
      for (const [source = ''] of volumes.map((volume) => volume.split(':'))) {
        if (source.startsWith('.'))
          expect({ source, there: existsSync(projectFile(`deploy/compose/${source}`)) }).toEqual({
            source,
            there: true,
          });
        else expect(compose.volumes).toHaveProperty([source]);
      }
    }
  });

  it('has its jobs scraped under the names that the alerts expect', () => {
    const { scrape_configs: jobs } = parse(read('deploy/compose/prometheus.yaml'));
    expect(jobs.map((job: { job_name: string }) => job.job_name)).toEqual(stages.map((stage) => `tallyline-${stage}`));
  });
});

describe('image', () => {
  it('copies files that there are', () => {
    const copied = [...read('deploy/docker/Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
      ([, sources]) => sources!.split(' '),
    );
    expect(copied).toContain('schemas');
    for (const source of copied)
      expect({ source, there: existsSync(projectFile(source)) }).toEqual({ source, there: true });
  });

  it('starts node with the flags that stages have everywhere', () => {
    const entrypoint = /^ENTRYPOINT (.+)$/m.exec(read('deploy/docker/Dockerfile'))![1]!;
    expect(JSON.parse(entrypoint)).toEqual(expect.arrayContaining([...STAGE_NODE_FLAGS]));
  });

  it('has every file that the code reads beside its own', () => {
    const copied = read('deploy/docker/Dockerfile');
    for (const file of [...stageRooms, 'cli', 'platform'].flatMap(sourcesOf)) {
      for (const [, path] of read(file).matchAll(/projectFile\([`']([^`'$]+)/g)) {
        if (path!.startsWith('schemas/') || path!.includes('…') || !/[./]/.test(path!)) continue;
        expect(copied).toContain(path);
      }
    }
  });
});

describe('chart', () => {
  const templates = readdirSync(projectFile('deploy/helm/tallyline/templates')).map((name) =>
    read(`deploy/helm/tallyline/templates/${name}`),
  );

  it('runs and scrapes every stage, each with its values', () => {
    const lists = templates.flatMap((template) => [...template.matchAll(/range \$stage := list ([^}]+) }}/g)]);
    expect(lists).toHaveLength(1);
    for (const [, names] of lists) expect(names!.match(/\w+/g)).toEqual(stages);
    const values: Record<string, unknown> = parse(read('deploy/helm/tallyline/values.yaml'));
    for (const stage of stages) {
      const resources = { requests: expect.anything(), limits: expect.anything() };
      expect(values[stage]).toMatchObject({ replicas: expect.any(Number), resources });
    }
  });

  it('gives settings that there are', () => {
    const names = templates.flatMap((template) =>
      [...template.matchAll(/\{ name: ([A-Z_]+), value:/g)].map(([, name]) => name!),
    );
    expect(names).toContain('DATABASE_URL_FILE');
    for (const name of names) expect({ name, known: isSetting(name) }).toEqual({ name, known: true });
  });

  it('keeps out the variables that Kubernetes would add and the stages refuse', () => {
    expect(templates.join('\n')).toContain('enableServiceLinks: false');
  });

  it('has values for every stage', () => {
    const values = parse(read('deploy/helm/tallyline/values.yaml'));
    for (const stage of stages) {
      expect(values[stage]).toMatchObject({
        replicas: expect.any(Number),
        resources: { requests: expect.any(Object), limits: { memory: expect.any(String) } },
        pdb: { maxUnavailable: 1 },
      });
    }
    expect(parseAllDocuments(read('deploy/helm/tallyline/Chart.yaml'))).toHaveLength(1);
  });
});
