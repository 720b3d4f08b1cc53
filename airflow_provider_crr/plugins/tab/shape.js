// Whether a task's XCom is one of ours. By its shape alone: operators are subclassed. What is not whole is not shown.

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value) => Number.isInteger(value) && value >= 0; // bytes may be beyond 2^53: rounded, but shown
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isText = (value) => typeof value === "string";
const or = (...tests) => (value) => tests.some((test) => test(value));
const isNull = (value) => value === null;
const maybe = (test) => or(test, isNull, (value) => value === undefined);
const listOf = (test) => (value) => Array.isArray(value) && value.every(test);
const mapOf = (test) => (value) => isObject(value) && Object.values(value).every(test);
const shaped = (fields) => (value) =>
  isObject(value) && Object.entries(fields).every(([name, test]) => test(value[name]));

const isVolume = shaped({ objects: isCount, bytes: isCount });
const isStatuses = mapOf(isVolume);

/** What a gate returns. */
export const isGate = shaped({
  total: isCount,
  statuses: mapOf(isCount),
  deciding: or(mapOf(isCount), (value) => value === undefined),
  head_requests: isCount,
  waited_seconds: isNumber,
  oldest_pending_seconds: or(isNumber, isNull),
  sample: listOf(shaped({ uri: isText, status: isText, reason: maybe(isText), said: maybe(isText), rule: maybe(isText) })),
});

/** What it returns when its time was up before S3 had answered once. */
export const isUnasked = (value) => isUnaskedShape(value) && Object.keys(value).every((name) => UNASKED.has(name));
const isUnaskedShape = shaped({ head_requests: isCount, waited_seconds: isNumber });
const UNASKED = new Set(["head_requests", "waited_seconds", "replication_lag", "failed_manifest_uri"]);

/** The schema of inventory summaries that this page knows. */
export const SCHEMA = 1;

/** What an inventory summary is. */
export const isSummary = shaped({
  schema: (value) => value === SCHEMA,
  source_bucket: isText,
  manifest: isText,
  format: isText,
  created_at: isText,
  versions: isText,
  objects: isCount,
  bytes: isCount,
  statuses: isStatuses,
  prefixes: listOf(shaped({ prefix: isText, statuses: isStatuses })),
  other_prefixes: shaped({ count: isCount, statuses: isStatuses }),
  oldest_pending: or(isNull, shaped({ uri: isText, last_modified: isText, age_seconds: isNumber })),
  failed_sample: listOf(isText),
  delete_markers: isCount,
  noncurrent_versions: isCount,
  report_uri: or(isText, isNull),
  failed_manifest_uri: or(isText, isNull),
});

/** A summary of a schema that this page does not know. */
export const isNewerSummary = shaped({ schema: (value) => isCount(value) && value > SCHEMA, source_bucket: isText });

/** The schema of the progress values that this page knows. */
export const PROGRESS_SCHEMA = 1;

/** What is known of any wait while it goes on, and at its end. */
const isWait = shaped({
  schema: (value) => value === PROGRESS_SCHEMA,
  kind: isText,
  state: isText,
  at: isText,
  message: maybe(isText),
  started_at: maybe(isText),
  deadline: maybe(isText),
  next_look: maybe(isText),
  connection: maybe(isText),
  where: maybe(isText),
  host: maybe(isText),
  unasked: maybe(isText),
  expected_done_at: maybe(isText),
  unmoved_since: maybe(isText),
  policy: maybe(isObject),
  head_requests: maybe(isCount),
  oldest_pending_seconds: maybe(isNumber),
  targets: maybe(shaped({ objects: maybe(isCount), patterns: maybe(isCount), sample: maybe(listOf(isText)) })),
  rules: maybe(listOf(shaped({ bucket: maybe(isText), rule: maybe(isText), destination: maybe(isText) }))),
  waiting: maybe(listOf(shaped({ uri: isText, status: isText, reason: maybe(isText), said: maybe(isText), rule: maybe(isText) }))),
  history: maybe(listOf((point) => Array.isArray(point) && point.length === 3 && point.every(isNumber))),
  replication_lag: maybe(shaped({ median: isNumber, p95: isNumber, max: isNumber, objects: isCount, error: maybe(isNumber) })),
});
const isCounted = shaped({ total: isCount, done: isCount, statuses: mapOf(isCount) });
const isUncounted = shaped({ total: maybe(isCount), done: maybe(isCount), statuses: maybe(mapOf(isCount)) });

/** What a wait pushes as crr_progress. A report that is awaited has no objects to count. */
export const isProgress = (value) => isWait(value) && (value.kind === "inventory" ? isUncounted : isCounted)(value);

/** A progress value of a schema that this page does not know. */
export const isNewerProgress = shaped({ schema: (value) => isCount(value) && value > PROGRESS_SCHEMA, kind: isText, state: isText });
