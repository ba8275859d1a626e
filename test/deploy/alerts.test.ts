// The alerts and the dashboard say what is true: the rules do what they say (promtool), every metric is one that a
// stage exports, and every alert has a page that tells what to do.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { projectFile } from '../../platform/process/project-root.ts';

const read = (path: string): string => readFileSync(projectFile(path), 'utf8');

/** Every metric of the stages; those of prom-client and Prometheus that the rules use as well. */
const metrics: readonly (readonly [name: string, kind: 'counter' | 'gauge' | 'histogram'])[] = [
  ['tallyline_events_total', 'counter'],
  ['tallyline_ingest_request_duration_seconds', 'histogram'],
  ['tallyline_ingest_responses_total', 'counter'],
  ['tallyline_ingest_refusals_total', 'counter'],
  ['tallyline_ingest_body_bytes', 'gauge'],
  ['tallyline_ingest_body_bytes_max', 'gauge'],
  ['tallyline_http_connections', 'gauge'],
  ['tallyline_http_connections_max', 'gauge'],
  ['tallyline_http_connections_ended_total', 'counter'],
  ['tallyline_event_log_append_duration_seconds', 'histogram'],
  ['tallyline_watermark_lag_seconds', 'gauge'],
  ['tallyline_metering_lag_seconds', 'histogram'],
  ['tallyline_consumer_lag_records', 'gauge'],
  ['tallyline_flush_duration_seconds', 'histogram'],
  ['tallyline_dedup_index_keys', 'gauge'],
  ['tallyline_dedup_index_bytes', 'gauge'],
  ['tallyline_late_events_total', 'counter'],
  ['tallyline_meter_unread_events_total', 'counter'],
  ['tallyline_meter_rounded_values_total', 'counter'],
  ['tallyline_recounted_chunks_total', 'counter'],
  ['tallyline_recount_failures_total', 'counter'],
  ['tallyline_window_close_delay_seconds', 'histogram'],
  ['tallyline_line_items_total', 'counter'],
  ['tallyline_unpriced_usage_total', 'counter'],
  ['tallyline_rater_shards', 'gauge'],
  ['tallyline_rater_shards_lost_total', 'counter'],
  ['tallyline_rated_watermark_timestamp_seconds', 'gauge'],
  ['tallyline_invariant_discrepancy', 'gauge'],
  ['tallyline_query_request_duration_seconds', 'histogram'],
  ['tallyline_query_responses_total', 'counter'],
  ['tallyline_reads', 'gauge'],
  ['tallyline_reads_refused_total', 'counter'],
  ['tallyline_manage_request_duration_seconds', 'histogram'],
  ['tallyline_manage_responses_total', 'counter'],
  ['tallyline_account_changes_total', 'counter'],
  ['tallyline_store_silent_seconds', 'gauge'],
  ['tallyline_damaged_parts', 'gauge'],
  ['process_start_time_seconds', 'gauge'],
  ['process_resident_memory_bytes', 'gauge'],
  ['process_cpu_seconds_total', 'counter'],
  ['nodejs_eventloop_lag_p99_seconds', 'gauge'],
];
const series = new Set(
  metrics.flatMap(([name, kind]) =>
    kind === 'histogram' ? ['_bucket', '_count', '_sum'].map((suffix) => name + suffix) : [name],
  ),
);
const sources = [
  'aggregator/aggregator-metrics.ts',
  'ingest/metrics.ts',
  'platform/http/connection-metrics.ts',
  'query/metrics.ts',
  'accounts/metrics.ts',
  'rater/metrics.ts',
  'platform/calls/store-watch.ts',
  'platform/clickhouse/damaged-parts.ts',
]
  .map(read)
  .join('\n');

interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook_url: string };
}
const rules: readonly AlertRule[] = parse(read('deploy/prometheus/alerts.yaml')).groups.flatMap(
  (group: { rules: AlertRule[] }) => group.rules,
);

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboard: {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
} = JSON.parse(read('deploy/grafana/tallyline.json'));

const namesIn = (expression: string): string[] => expression.match(/\b(?:tallyline|process|nodejs)_[a-z0-9_]+/g) ?? [];

function promtool(...args: string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}
const hasPromtool = spawnSync('promtool', ['--version'], { stdio: 'ignore' }).status === 0;
if (!hasPromtool) {
  process.stderr.write(
    'alerts.test.ts: rules are not run, as promtool is not on PATH (Debian: apt-get install prometheus)\n',
  );
}

(hasPromtool ? describe : describe.skip)('alert rules, by promtool', () => {
  it('are valid', () => {
    expect(promtool('check', 'rules', projectFile('deploy/prometheus/alerts.yaml'))).toMatchObject({ status: 0 });
  });

  it('fire and keep quiet as their examples say', () => {
    expect(promtool('test', 'rules', projectFile('deploy/prometheus/alerts.test.yaml'))).toMatchObject({ status: 0 });
  });
});

describe('alert rules', () => {
  it('each have an example', () => {
    const examples = read('deploy/prometheus/alerts.test.yaml');
    for (const { alert } of rules) expect(examples).toContain(`alertname: ${alert}`);
  });

  it.each(rules.map((rule) => [rule.alert, rule] as const))(
    '%s has a severity, plain words and a runbook',
    (name, rule) => {
      expect(['critical', 'warning']).toContain(rule.labels.severity);
      expect(rule.annotations.summary.length).toBeGreaterThan(20);
      expect(rule.annotations.runbook_url).toMatch(/^docs\/operate\/runbooks\/[a-z-]+\.md$/);
      expect(existsSync(projectFile(rule.annotations.runbook_url))).toBe(true);
      expect(read(rule.annotations.runbook_url)).toContain(name);
    },
  );
});

describe('metrics', () => {
  it('are all exported by a stage', () => {
    for (const [name] of metrics) if (name.startsWith('tallyline_')) expect(sources).toContain(`'${name}'`);
  });

  it.each(rules.map(({ alert, expr }) => [alert, expr]))('of %s are known', (_alert, expr) => {
    for (const name of namesIn(expr)) expect(series).toContain(name);
  });

  it('of the dashboard are known, and all are on it', () => {
    const shown = dashboard.panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => namesIn(expr)));
    for (const name of shown) expect(series).toContain(name);
    for (const [name] of metrics.filter(([metric]) => metric.startsWith('tallyline_'))) {
      expect(shown.some((found) => found.startsWith(name))).toBe(true);
    }
  });

  it('of the runbooks are known', () => {
    for (const url of new Set(rules.map((rule) => rule.annotations.runbook_url))) {
      const page = read(url);
      for (const name of page.match(/\btallyline_[a-z0-9_]+(?=[{[)\s`])/g) ?? []) {
        expect({ url, known: series.has(name) || metrics.some(([metric]) => metric === name), name }).toMatchObject({
          known: true,
        });
      }
    }
  });
});

describe('dashboard', () => {
  it('gives every panel a unit and a sentence', () => {
    for (const panel of dashboard.panels.filter(({ type }) => type !== 'row')) {
      expect({ title: panel.title, unit: panel.fieldConfig?.defaults.unit }).toEqual({
        title: panel.title,
        unit: expect.any(String),
      });
      expect(panel.description ?? '').not.toBe('');
    }
  });

  it('can be cut down to some partitions', () => {
    expect(dashboard.templating.list.map(({ name }) => name)).toContain('partition');
    const byPartition = dashboard.panels
      .flatMap(({ targets = [] }) => targets)
      .filter(({ expr }) => /tallyline_(watermark_lag_seconds|consumer_lag_records|dedup_index_keys)\{/.test(expr));
    expect(byPartition.length).toBeGreaterThan(2);
    for (const { expr } of byPartition) expect(expr).toContain('partition=~"$partition"');
  });
});
